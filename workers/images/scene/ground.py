"""The pixels of a ground: one colour, a gradient, or a picture that fills the frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workers.images.grading.oklab import from_oklab, to_oklab
from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

DITHER_SEED = 1


def flat(colour: Colour, height: int, width: int) -> Pixels:
    """Return a ground of one colour, uint8 (H, W, 3)."""
    return np.full((height, width, 3), colour, np.uint8)


def gradient(top: Colour, bottom: Colour, height: int, width: int) -> Pixels:
    """Return a ground that goes from one colour to another, uint8 (H, W, 3).

    Even steps in OKLab, eased at both ends. Each pixel is rounded up or down by chance, the same every time, since
    plain rounding would show as bands.
    """
    ends = to_oklab(np.array([top, bottom], np.float32) / np.float32(255))
    at = np.linspace(0, 1, height, dtype=np.float32)[:, np.newaxis]
    eased = at * at * (3 - 2 * at)
    column = 255 * from_oklab(ends[0] + eased * (ends[1] - ends[0]))
    chance = np.random.default_rng(DITHER_SEED).random((height, width), np.float32)
    rounded: Pixels = (column[:, np.newaxis, :] + chance[..., np.newaxis]).clip(0, 255).astype(np.uint8)
    return rounded


def filling(picture: Pixels, height: int, width: int) -> Pixels:
    """Return the largest middle part of a picture in the frame's shape, uint8 (H, W, 3), resized to fill it."""
    factor = max(height / picture.shape[0], width / picture.shape[1])
    rows, columns = min(picture.shape[0], round(height / factor)), min(picture.shape[1], round(width / factor))
    top, left = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    part = np.ascontiguousarray(picture[top : top + max(1, rows), left : left + max(1, columns)])
    return resize(part, (width, height), "bicubic")
