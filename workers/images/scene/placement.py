"""Where a product stands in its frame: every product of a catalogue fills it alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]

FILL = 0.8
"""Share of the frame's width or height, whichever is reached first, that a product fills."""

SMALLEST, LARGEST = 0.5, 1.5
"""Least and greatest factor by which a product's size changes: enlarged further it would be soft."""

CUT_PX_SHARE = 0.01
"""Share of a side of the frame along which a product may touch it and still count as whole."""

CENTRE = 0.51
"""Height of a product's middle: a little low, as products stand."""

FLOOR = 0.9
"""Height of the floor in a picture, where a product's lowest point stands."""


@dataclass(frozen=True)
class Placement:
    """``factor`` of a product's size, and how far its upper left corner moves, in pixels of the result."""

    factor: float = 1.0
    left: int = 0
    top: int = 0


def place(alpha: Pixels, *, on_floor: bool) -> Placement:
    """Say where a product goes, by its alpha, uint8 (H, W). One that the frame cuts stays where it is."""
    product = alpha > 127
    if not product.any() or is_cut(alpha):
        return Placement()
    height, width = alpha.shape
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    tall, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    factor = float(np.clip(min(FILL * height / tall, FILL * width / wide), SMALLEST, LARGEST))
    left = width / 2 - factor * (columns[0] + wide / 2)
    # The floor is where a product that fills its frame stands; smaller ones stand there, too.
    middle = CENTRE * height if not on_floor else FLOOR * height - factor * tall / 2
    return Placement(factor, round(left), round(middle - factor * (rows[0] + tall / 2)))


def is_cut(alpha: Pixels) -> bool:
    """Tell whether the frame cuts a product, by its alpha, uint8 (H, W)."""
    sides = (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1])
    return any(float((side > 127).mean()) > CUT_PX_SHARE for side in sides)


def moved(pixels: Pixels, placement: Placement, outside: int) -> Pixels:
    """Return uint8 (H, W, 3) resized and moved within its frame; ``outside`` fills what then is empty."""
    if placement == Placement():
        return pixels
    height, width = pixels.shape[:2]
    size = max(1, round(width * placement.factor)), max(1, round(height * placement.factor))
    result = Image.new("RGB", (width, height), (outside,) * 3)
    result.paste(Image.fromarray(resize(pixels, size, "bicubic")), (placement.left, placement.top))
    return np.array(result)
