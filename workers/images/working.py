"""A photo at working size, and how much of the paint each of its pixels takes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from workers.images.background import Pixels, paint_weight, ramp
from workers.images.compose import shrink
from workers.images.encode import on_white
from workers.images.photo import Photo
from workers.images.shadow import shadow

SHADOW_TO, OPAQUE_FROM = 128.0, 224.0
"""Alpha up to which a pixel is the shadow of a product cut out, and from which it is the product itself."""


def at_working_size(photo: Photo, size: tuple[int, int], *, white: str) -> tuple[Pixels, Pixels]:
    """Return a photo at ``size`` = (width, height), uint8 (h, w, 3), and its weights (h, w).

    Where the look's ``white`` is ``keep``, a white background takes no paint, nor does the shadow on it. A soft
    shadow under partial alpha never takes any: it is black, and would darken the product beside it. What takes no
    paint counts in no statistic.
    """
    small = shrink(photo.rgb if photo.alpha is None else on_white(photo.rgb, photo.alpha), size)
    weight = np.full(small.shape[:2], 255, np.uint8)
    if white == "keep":
        weight = paint_weight(small)
        lit = 255 - shadow(small, weight)
        weight = (weight.astype(np.uint16) * lit // 255).astype(np.uint8)
    if photo.alpha is not None:
        alpha = np.asarray(Image.fromarray(photo.alpha).resize(size, Image.Resampling.BOX), np.float32)
        opaque = np.rint(255 * np.asarray(ramp(alpha, SHADOW_TO, OPAQUE_FROM))).astype(np.uint8)
        weight = np.minimum(weight, opaque)
    return small, weight
