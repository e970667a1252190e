"""From what the generator painted to the rendition's pixels: full size, product protected, blended.

The generator works at a *working size* of at most ``working_px`` on the long side, divided by the
texture scale: larger strokes come from painting smaller. So strokes have one size relative to the
picture, whatever its resolution from ``working_px`` on; a smaller photo has larger ones. What is
painted is enlarged to the photo's size and gets back the photo's fine detail, so that edges and
lettering of the product stay sharp. Everything is uint8, and wider only in strips of ``STRIP_ROWS``
that the processor's cache holds, so memory is about five times the photo's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]

STRIP_ROWS = 32

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
    result = np.empty_like(photo)
    for top in range(0, len(photo), STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        detailed = paint[rows] if coarse is photo else _add_detail(photo[rows], paint[rows], coarse[rows])
        result[rows] = detailed if cover is None else _blend(photo[rows], detailed, cover[rows])
    return result


def _add_detail(photo: Pixels, paint: Pixels, coarse: Pixels) -> Pixels:
    """``paint`` + ``photo`` − ``coarse``, from 0 to 255, without leaving uint8, a quarter of the bytes of float."""
    higher = np.maximum(paint, coarse)
    up, down = higher - coarse, higher - paint  # one of the two is 0
    np.minimum(up, 255 - photo, out=up)
    up += photo
    np.minimum(down, up, out=down)
    up -= down
    return up


def _blend(photo: Pixels, paint: Pixels, cover: Pixels) -> Pixels:
    """``cover``/255 of the paint and the rest of the photo, rounded to nearest."""
    share = cover.astype(np.uint16)
    mixed = paint.astype(np.uint16) * share
    mixed += photo.astype(np.uint16) * (255 - share)
    mixed += 128  # division by 255, rounded: Blinn 1995, "Three wrongs make a right"
    mixed += mixed >> 8
    mixed >>= 8
    return mixed.astype(np.uint8)
