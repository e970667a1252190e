"""Lightness, colours and grain, as the procedural styles share them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.interpolate import PchipInterpolator

from shared.errors import InvalidInput

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

STRIP_ROWS = 32
"""Rows worked on at once, so that what is wider than uint8 stays in the processor's cache."""

GRAIN_SEED = 1
"""Every picture of a size has the same grain, so that a style makes the same picture of a photo every time."""


class BadStyle(InvalidInput):
    """The definition of a procedural style cannot be worked with."""

    code = "bad_style"


def require(ok: bool, message: str) -> None:
    """Raise BadStyle unless a parameter is as it should be."""
    if not ok:
        raise BadStyle(f"the definition of the style is not valid: {message}")


def colour(text: str) -> tuple[int, int, int]:
    """Parse ``#rrggbb``. Raises BadStyle."""
    require(isinstance(text, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", text) is not None, f"{text!r} is not #rrggbb")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def lightness(photo: Pixels) -> Pixels:
    """uint8 (H, W, 3) → luma (H, W), as ITU-R BT.601 weighs it."""
    return np.asarray(Image.fromarray(photo).convert("L"))


def curve(points: Sequence[Sequence[float]]) -> Field:
    """Return the 256 values, 0 to 255, of a smooth curve through (in, out) points that rise in the first."""
    require(len(points) >= 2 and all(len(point) == 2 for point in points), "a curve needs two points or more")
    x, y = (np.asarray(values, np.float64) for values in zip(*points, strict=True))
    require(x.ndim == y.ndim == 1, "the points of a curve are pairs of numbers")
    require(bool((np.diff(x) > 0).all()), "the points of a curve must rise from left to right")
    values = PchipInterpolator(x, y, extrapolate=False)(np.clip(np.arange(256), x[0], x[-1]))
    clipped: Field = np.clip(values, 0, 255).astype(np.float32)
    return clipped


def strips(height: int) -> Iterator[slice]:
    """Cut a picture's rows into strips."""
    return (slice(top, min(height, top + STRIP_ROWS)) for top in range(0, height, STRIP_ROWS))


def longest(photo: Pixels) -> int:
    """Return the longer side, to which the sizes of dots, grain and lines are relative."""
    return int(max(photo.shape[:2]))


def shrunk_size(photo: Pixels, most_px: int) -> tuple[int, int]:
    """Return (width, height) of a photo whose longer side is at most ``most_px``."""
    factor = min(1.0, most_px / longest(photo))
    height, width = photo.shape[:2]
    return max(1, round(width * factor)), max(1, round(height * factor))


def resized(field: Field, width: int, height: int) -> Field:
    """Resize float32 (h, w) smoothly to (height, width)."""
    if field.shape == (height, width):
        return field
    picture = Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32)


def noise(height: int, width: int, size_px: float) -> Field:
    """Return noise (height, width) of mean 0 and deviation 1 whose grains are ``size_px`` wide."""
    rows, columns = (max(2, round(side / max(1.0, size_px))) for side in (height, width))
    values = np.random.default_rng(GRAIN_SEED).standard_normal((rows, columns), np.float32)
    values = resized(values, width, height)
    return values / np.float32(max(1e-6, float(values.std())))


def to_pixels(values: Field) -> Pixels:
    """Round 0 to 255 to uint8."""
    pixels: Pixels = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return pixels
