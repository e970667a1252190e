"""The darkest rim of a shadow, where a product touches the ground: too dark and steep to be told apart by itself.

Masks take it for product, and on another ground it would show as a pale slab. It is as neutral as the ground, lies
low, and hangs together with the rest of the shadow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

WORKING_PX = 448
"""Longer side at which the rim is looked for."""

LOW = 0.3
"""Share of a product's height, from below, in which it may touch the ground."""

REACH = 0.07
"""How far the rim reaches into what the mask takes for product, of the product's size."""

TINT = 0.055
"""How far apart the channels of a shadow may lie, relative to the ground's: a little of the product's colour."""

LIGHT_FROM, LIGHT_TO = 0.1, 0.995
"""Share of the ground's light that a rim leaves: lighter is the ground."""

STEEPEST = 0.09
"""Change of that share from one pixel to the next in a shadow at most; steeper is an edge of the product."""

CORE = 0.8
"""Share of light below which a shadow is somewhere: what is pale everywhere is a pale product."""

PALE_LIGHT, PALE_TINT, MOST_PALE = 0.75, 0.07, 0.3
"""A product of which so much is as light and neutral as that looks like a shadow itself, and keeps its rim."""

CRUMB = 0.01
"""Size, of the product's, up to which what hangs together with nothing but the rim belongs to it."""


def without_contact_rim(rgb: Pixels, alpha: Pixels) -> Pixels:
    """Return alpha, uint8 (H, W), without the rim of the shadow, for a photo (H, W, 3) on a plain ground."""
    height, width = alpha.shape
    factor = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    cover = np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BOX))
    ground = cover < 8
    product = cover > 127
    if not ground.any() or not product.any():
        return alpha
    small = resize(rgb, size, "bicubic").astype(np.float32)
    ratio = small / np.maximum(np.quantile(small[ground], 0.7, axis=0), 1)
    light, tint = ratio.mean(axis=2), ratio.max(axis=2) - ratio.min(axis=2)
    rows, columns = np.flatnonzero(product.any(axis=1)), np.flatnonzero(product.any(axis=0))
    tall, wide = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    slope = np.hypot(ndimage.sobel(light, 0), ndimage.sobel(light, 1)) / 8
    neutral = (tint < TINT) & (light > LIGHT_FROM) & (light < LIGHT_TO) & (slope < STEEPEST)
    neutral[: int(rows[-1] - LOW * tall)] = False
    steps = max(1, round(REACH * max(tall, wide)))
    inside = ndimage.binary_erosion(product, iterations=steps)
    if float(((light > PALE_LIGHT) & (tint < PALE_TINT))[inside].mean() if inside.any() else 0) > MOST_PALE:
        return alpha
    rim = ndimage.binary_dilation(ground, iterations=steps, mask=neutral) & ~ground & neutral
    rim = _with_core(rim, light)
    rim = ndimage.binary_dilation(rim, iterations=2, mask=(tint < TINT) & ~ground) | rim
    # What lies deep inside is the product's own grey.
    rim &= ~ndimage.binary_erosion(product, iterations=steps)
    if not rim.any():
        return alpha
    rim |= _crumbs(product & ~rim, rim)
    soft = ndimage.gaussian_filter(ndimage.binary_dilation(rim, mask=~product | rim).astype(np.float32), 0.7)
    share = Image.fromarray(np.clip(1 - 1.3 * soft, 0, 1).astype(np.float32)).resize((width, height))
    kept: Pixels = np.rint(alpha * np.asarray(share)).astype(np.uint8)
    return kept


def _with_core(rim: Mask, light: Field) -> Mask:
    """Those parts of a rim that are dark somewhere."""
    areas, count = ndimage.label(rim)
    if count == 0:
        return rim
    dark = ndimage.minimum(light, areas, index=np.arange(count + 1)) < CORE
    dark[0] = False
    chosen: Mask = dark[areas]
    return chosen


def _crumbs(rest: Mask, rim: Mask) -> Mask:
    """Small parts of what is left of a product that touch the rim."""
    areas, count = ndimage.label(rest)
    sizes = np.bincount(areas.ravel(), minlength=count + 1)
    small = sizes < CRUMB * max(1, int(rest.sum()))
    touching = np.zeros(count + 1, np.bool_)
    touching[np.unique(areas[ndimage.binary_dilation(rim, iterations=2)])] = True
    chosen = small & touching
    chosen[0] = False
    crumbs: Mask = chosen[areas]
    return crumbs
