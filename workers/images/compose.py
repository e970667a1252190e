"""From what the generator painted to the rendition's pixels: full size, product protected, blended.

The generator works at a *working size* of at most ``working_px`` on the long side, divided by the
texture scale: larger strokes come from painting smaller. So strokes have one size relative to the
picture, whatever its resolution from ``working_px`` on; a smaller photo has larger ones. What is
painted is enlarged to the photo's size and gets back the photo's fine detail where paint and photo have the
same structure, so that edges and lettering of the product stay sharp and where the paint has gone its own way
no ghost of the photo lies over it. Everything is uint8, and wider only in strips of ``STRIP_ROWS`` that the
processor's cache holds, so memory is about five times the photo's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]

STRIP_ROWS = 32

AGREEMENT_PX = 7
"""Side of the windows in which paint and photo are compared."""

FAINT = 16.0
"""Variance, of 255², that counts as none: what is flat in the photo has no detail worth keeping, but noise."""

AGREED = 128
"""Full agreement: times a difference of two levels it still fits 16 bits."""

STEP_PX = 16
"""The shorter side of what is shrunk is a multiple of this, so that photos of nearly one shape share a minibatch."""


def working_size(width: int, height: int, *, working_px: int, texture_scale: float) -> tuple[int, int]:
    """Return (width, height) at which the generator works; never larger than the photo.

    What is shrunk changes its proportions by at most ``STEP_PX / 2`` pixels, which enlarging takes back.
    """
    factor = min(1.0, min(1.0, working_px / max(width, height)) / texture_scale)
    if factor == 1:
        return width, height
    long, short = (max(1, round(side * factor)) for side in (max(width, height), min(width, height)))
    if short >= STEP_PX:
        short = min(round(short / STEP_PX) * STEP_PX, width, height, long)
    return (long, short) if width >= height else (short, long)


def shrink(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize uint8 (H, W, 3) to ``size`` = (width, height) with antialiasing."""
    return resize(rgb, size, "lanczos")


def compose(photo: Pixels, small: Pixels, painted: Pixels, weight: Pixels, *, strength: float) -> Pixels:
    """Compose the rendition: uint8 (H, W, 3).

    Args:
        photo: the source, uint8 (H, W, 3).
        small: the source at working size, uint8 (h, w, 3).
        painted: what the generator made of ``small``, uint8 (h, w, 3).
        weight: how much of the paint each pixel takes, uint8 (h, w).
        strength: 0 to 1; 0 gives the photo, exactly.
    """
    if strength == 0:
        return photo
    size = (photo.shape[1], photo.shape[0])
    paint, coarse = resize(painted, size, "bicubic"), resize(small, size, "bicubic")
    share = np.rint(weight * np.float32(strength)).astype(np.uint8)
    # Three channels: broadcasting over a last axis of three would cost more than all the rest.
    cover = None if (share == 255).all() else resize(np.repeat(share[..., np.newaxis], 3, axis=2), size, "bicubic")
    agreed = None if coarse is photo else _enlarged(_agreement(small, painted), size)
    result = np.empty_like(photo)
    for top in range(0, len(photo), STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        detailed = paint[rows]
        if agreed is not None:
            detailed = _add_detail(photo[rows], detailed, coarse[rows], agreed[rows])
        result[rows] = detailed if cover is None else _blend(photo[rows], detailed, cover[rows])
    return result


def _agreement(small: Pixels, painted: Pixels) -> Pixels:
    """How far the lightness of paint and photo go together around each pixel: uint8 (h, w, 3) twice → (h, w).

    Their correlation in a small window, from 0, also where it is negative, to ``AGREED``.
    """
    x, y = (np.asarray(Image.fromarray(pixels).convert("L"), np.float32) for pixels in (small, painted))
    mean_x, mean_y, xx, yy, xy = (
        ndimage.uniform_filter(field, AGREEMENT_PX, mode="nearest") for field in (x, y, x * x, y * y, x * y)
    )
    deviations = np.sqrt(np.maximum(xx - mean_x**2, 0) * np.maximum(yy - mean_y**2, 0))
    correlation = (xy - mean_x * mean_y) / (deviations + FAINT)
    agreement: Pixels = np.rint(AGREED * np.clip(correlation, 0, 1)).astype(np.uint8)
    return agreement


def _enlarged(field: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize uint8 (h, w) to ``size`` = (width, height)."""
    return np.asarray(Image.fromarray(field).resize(size, Image.Resampling.BILINEAR))


def _add_detail(photo: Pixels, paint: Pixels, coarse: Pixels, agreed: Pixels) -> Pixels:
    """``paint`` + ``agreed`` / ``AGREED`` · (``photo`` − ``coarse``), from 0 to 255."""
    detail = photo.astype(np.int16)
    detail -= coarse
    # Three channels: broadcasting over a last axis of three would cost more than all the rest.
    detail *= np.repeat(agreed[..., np.newaxis], 3, axis=2)
    detail += AGREED // 2
    detail //= AGREED
    detail += paint
    return np.clip(detail, 0, 255).astype(np.uint8)


def _blend(photo: Pixels, paint: Pixels, cover: Pixels) -> Pixels:
    """``cover``/255 of the paint and the rest of the photo, rounded to nearest."""
    share = cover.astype(np.uint16)
    mixed = paint.astype(np.uint16) * share
    mixed += photo.astype(np.uint16) * (255 - share)
    mixed += 128  # division by 255, rounded: Blinn 1995, "Three wrongs make a right"
    mixed += mixed >> 8
    mixed >>= 8
    return mixed.astype(np.uint8)
