"""Draw titled pictures in a row on white, with room for a footer."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

PANEL_PX = 480
MARGIN_PX = 16
TITLE_PX = 18
INK = "#222222"


def picture_row(panels: Sequence[tuple[Image.Image, str]], footer: tuple[int, int]) -> tuple[Image.Image, int]:
    """Draw pictures below their titles, above a footer (width, height); return the picture and the footer's top."""
    fitted = [(fit(picture, PANEL_PX), title) for picture, title in panels]
    top = 2 * MARGIN_PX + TITLE_PX + max(picture.height for picture, _ in fitted) + MARGIN_PX
    width = sum(column_width(picture, title) + MARGIN_PX for picture, title in fitted) - MARGIN_PX
    made = Image.new("RGB", (2 * MARGIN_PX + max(width, footer[0]), top + footer[1] + MARGIN_PX), "white")
    draw, left = ImageDraw.Draw(made), MARGIN_PX
    for picture, title in fitted:
        draw.text((left, MARGIN_PX), title, fill=INK, font=font())
        made.paste(picture, (left, 2 * MARGIN_PX + TITLE_PX))
        left += column_width(picture, title) + MARGIN_PX
    return made, top


def fit(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture scaled so that its longer side is ``side``."""
    factor = side / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def font(size: int = TITLE_PX - 3) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Return the font of titles and labels."""
    return ImageFont.load_default(size)


def column_width(picture: Image.Image, title: str) -> int:
    """Return the width of a picture or its title, whichever is larger."""
    return max(picture.width, round(font().getlength(title)))
