"""Bars with their figures: the plot of a comparison."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image, ImageDraw, ImageFont

WIDTH_PX, BAR_PX, GAP_PX, MARGIN_PX, LABEL_PX = 1200, 36, 16, 32, 400
OURS, OTHERS, INK = "#1f6f5c", "#b9c4c9", "#222222"


def bars(title: str, values: Mapping[str, float]) -> Image.Image:
    """Draw a bar for each value; the first one is ours."""
    top = MARGIN_PX + 48
    height = top + len(values) * (BAR_PX + GAP_PX) - GAP_PX + MARGIN_PX
    picture = Image.new("RGB", (WIDTH_PX, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN_PX, MARGIN_PX), title, fill=INK, font=ImageFont.load_default(22))
    font, most = ImageFont.load_default(19), max(values.values())
    for number, (label, value) in enumerate(values.items()):
        y = top + number * (BAR_PX + GAP_PX)
        length = round((WIDTH_PX - LABEL_PX - 2 * MARGIN_PX - 90) * value / most)
        left = MARGIN_PX + LABEL_PX
        draw.text((left - 14, y + BAR_PX / 2), label, fill=INK, font=font, anchor="rm")
        draw.rounded_rectangle((left, y, left + max(2, length), y + BAR_PX), 4, fill=OTHERS if number else OURS)
        draw.text(
            (left + length + 12, y + BAR_PX / 2),
            f"{value:,.0f}" if value >= 100 else f"{value:.3g}",
            fill=INK,
            font=font,
            anchor="lm",
        )
    return picture
