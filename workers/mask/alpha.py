"""The product mask of a cut-out: what its alpha channel says, without the shadow that lies under partial alpha."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]

OPAQUE, CLEAR = 224, 8
"""Alpha from which a pixel counts as opaque, and up to which as clear."""

LEAST_CLEAR = 0.02
"""Share of clear pixels from which a picture is a cut-out; below, only its corners are rounded."""

FRAME_SHARE = 0.97
"""Share of its bounding box that an opaque area fills if it is a framed picture and no product."""

SHADOW_LIGHTNESS, SHADOW_TINT = 96, 24
"""How light a shadow under partial alpha may be, and how far apart its channels; it is black as a rule."""

SHADOW_PX = 3
"""Half the width above which partial alpha is no soft edge."""


def is_cut_out(alpha: Pixels) -> bool:
    """Tell whether an alpha channel, uint8 (H, W), cuts a product out, or only rounds the corners of a picture."""
    if float((alpha <= CLEAR).mean()) < LEAST_CLEAR:
        return False
    opaque = alpha > CLEAR
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    if rows.size == 0:
        return True
    inside = opaque[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return float(inside.mean()) < FRAME_SHARE or inside.size < opaque.size / 2


def alpha_mask(rgb: Pixels, alpha: Pixels, size: tuple[int, int]) -> Pixels:
    """Return how much each pixel belongs to the product, uint8 (h, w), at ``size`` = (width, height).

    Soft edges, hair and glass keep their alpha. A broad area of partial alpha that is dark and grey is a shadow.
    """
    small = np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BOX))
    partial = (small > CLEAR) & (small < OPAQUE)
    if not partial.any():
        return small
    colours = resize(rgb, size, "bicubic")
    brightest, darkest = colours.max(axis=2), colours.min(axis=2)
    dark = (brightest < SHADOW_LIGHTNESS) & (brightest - darkest < SHADOW_TINT)
    broad = ndimage.binary_opening(partial & dark, iterations=SHADOW_PX)
    shadow = ndimage.binary_dilation(broad, iterations=2 * SHADOW_PX, mask=(small < OPAQUE) & (dark | (small <= CLEAR)))
    return np.where(shadow, 0, small).astype(np.uint8)
