"""The curves of a training run as a picture, drawn with Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

WIDTH_PX, HEIGHT_PX = 900, 360
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 70, 150, 34, 40
FONT_PX = 13
LEAST = 1e-6
"""What is drawn of an error at or below 0, which a logarithm cannot show."""

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b")
NOT_DRAWN = {"step", "seconds", "loss", "validation"}

Entry = Mapping[str, float]


@dataclass(frozen=True)
class Axis:
    """Maps values from ``low`` to ``high`` onto pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: int
    end: int

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def draw_curves(entries: Sequence[Entry], best_step: int) -> Image.Image:
    """Draw a run's validations: the losses above, the terms below, over the steps, errors on a log scale.

    ``entries`` are the lines of ``log.jsonl``, at least one; a dotted line marks ``best_step``.
    """
    terms = [name for name in entries[-1] if name not in NOT_DRAWN]
    picture = Image.new("RGB", (WIDTH_PX, 2 * HEIGHT_PX), "white")
    for number, (title, names) in enumerate(
        (("loss: last minibatch, and held-out photos", ["loss", "validation"]), ("terms on held-out photos", terms))
    ):
        panel = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), "white")
        _draw_panel(ImageDraw.Draw(panel), title, {name: _line(entries, name) for name in names}, best_step)
        picture.paste(panel, (0, number * HEIGHT_PX))
    return picture


def _line(entries: Sequence[Entry], name: str) -> list[tuple[float, float]]:
    return [(entry["step"], math.log10(max(LEAST, entry[name]))) for entry in entries if math.isfinite(entry[name])]


def _draw_panel(
    draw: ImageDraw.ImageDraw, title: str, lines: Mapping[str, Sequence[tuple[float, float]]], best_step: int
) -> None:
    """Draw one panel: frame, ticks, lines of (step, decimal logarithm), legend."""
    font = ImageFont.load_default(FONT_PX)
    steps = [step for line in lines.values() for step, _ in line] or [0.0]
    heights = [height for line in lines.values() for _, height in line] or [0.0]
    x = Axis(0, max(1.0, *steps), LEFT_PX, WIDTH_PX - RIGHT_PX)
    margin = max(0.05, 0.05 * (max(heights) - min(heights)))
    y = Axis(min(heights) - margin, max(heights) + margin, HEIGHT_PX - BOTTOM_PX, TOP_PX)
    draw.text((LEFT_PX, TOP_PX - 8), title, fill="black", font=font, anchor="ls")
    for value in log_ticks(y.low, y.high):
        at = y.at(math.log10(value))
        draw.line([(x.start, at), (x.end, at)], fill="#e0e0e0")
        draw.text((x.start - 6, at), f"{value:g}", fill="black", font=font, anchor="rm")
    for value in ticks(x.high):
        at = x.at(value)
        draw.line([(at, y.start), (at, y.start + 4)], fill="black")
        draw.text((at, y.start + 7), f"{value:g}", fill="black", font=font, anchor="mt")
    draw.text((x.end, y.start + 24), "step", fill="black", font=font, anchor="rt")
    draw.rectangle([x.start, y.end, x.end, y.start], outline="black")
    if best_step:
        for top in range(y.end, y.start, 6):
            draw.line([(x.at(best_step), top), (x.at(best_step), top + 2)], fill="#606060")
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(x.at(step), y.at(height)) for step, height in line]
        for before, after in pairwise(points):
            draw.line([before, after], fill=colour, width=2)
        for across, down in points:
            draw.ellipse([across - 2, down - 2, across + 2, down + 2], fill=colour)
        down = TOP_PX + 8 + 20 * number
        draw.line([(x.end + 12, down), (x.end + 32, down)], fill=colour, width=3)
        draw.text((x.end + 38, down), name.replace("_", " "), fill="black", font=font, anchor="lm")
    if best_step:
        down = TOP_PX + 8 + 20 * len(lines)
        draw.text((x.end + 38, down), f"best: {best_step}", fill="#606060", font=font, anchor="lm")


def ticks(high: float) -> list[float]:
    """Return round values from 0 up to ``high``, four to ten of them."""
    size = 10 ** math.floor(math.log10(high / 4)) if high > 0 else 1
    step = next(size * factor for factor in (1, 2, 5, 10) if high / (size * factor) <= 9)
    return [step * number for number in range(int(high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return values to label between 10^low and 10^high: decades, with 2 and 5 or finer where there are few."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for digits in ((1,), (1, 2, 5), range(1, 10), [n / 10 for n in range(10, 100)]):
        found = [digit * 10.0**decade for decade in decades for digit in digits]
        found = [value for value in found if low <= math.log10(value) <= high]
        if len(found) >= 3:
            return found
    return found
