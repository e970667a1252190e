"""Draw a heat map of what a rendition changed, beside the photo and the rendition, with its scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from workers.drawing.picture_row import INK, MARGIN_PX, font, picture_row

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

MOST = 80.0
"""Change at the upper end of the scale, which is fixed so that pictures can be compared."""

TICKS = {0: "0", 1: "1 just seen", 5: "5 plain", 15: "15 strong", 30: "30", 50: "50", 80: "80 and more"}
BAR_PX = 18
LEAST_PX = 720
"""Width needed by the labels of the scale."""

# From black through violet and orange to pale yellow: each step is lighter, so the scale also works in grey.
_HEAT = ((0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39),
         (252, 255, 164))  # fmt: skip


def change_picture(photo: Pixels, rendition: Pixels, delta: Field) -> Image.Image:
    """Draw two pictures, uint8 (H, W, 3), and the CIEDE2000 between them, (H, W)."""
    panels = [(Image.fromarray(photo), "photo"), (Image.fromarray(rendition), "rendition")]
    heat = (Image.fromarray(heat_colours(delta)), "what changed (CIEDE2000)")
    made, foot = picture_row([*panels, heat], (LEAST_PX, BAR_PX + 24))
    left, right = MARGIN_PX, made.width - MARGIN_PX
    ramp = (np.linspace(0, 1, right - left, dtype=np.float32) ** 2 * MOST)[np.newaxis]
    made.paste(Image.fromarray(heat_colours(ramp)).resize((right - left, BAR_PX)), (left, foot))
    draw = ImageDraw.Draw(made)
    for value, label in TICKS.items():
        x = left + round(float(_height(value)) * (right - left - 1))
        anchor = {0: "la", MOST: "ra"}.get(value, "ma")
        draw.line((x, foot + BAR_PX, x, foot + BAR_PX + 5), fill=INK)
        draw.text((x, foot + BAR_PX + 7), label, fill=INK, font=font(), anchor=anchor)
    return made


def heat_colours(delta: Field) -> Pixels:
    """Return the colours of differences: (H, W) → uint8 (H, W, 3)."""
    positions = np.linspace(0, 1, len(_HEAT))
    height = _height(delta)
    bands = [np.interp(height, positions, band) for band in zip(*_HEAT, strict=True)]
    colours: Pixels = np.rint(np.stack(bands, -1)).astype(np.uint8)
    return colours


def _height(delta: float | Field) -> Field:
    """Return the position of a difference on the scale, 0 to 1. It is a square root, which shows slight changes."""
    height: Field = np.sqrt(np.clip(np.asarray(delta, np.float32) / MOST, 0, 1))
    return height
