"""Joins what the plain way and the network found on a plain ground.

The plain way knows where an edge is, to the pixel; the network knows what a product looks like. A white mug on white
and a highlight look like the ground and are not; a broad shadow looks like a product and is not. Where the two disagree
over more than an edge's width, the network decides; but it opens no hole where the plain way sees product all around.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.mask.plain_ground import PlainGround

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SURE_PRODUCT, SURE_GROUND = 0.8, 0.2
"""Chance from which the network overrules the plain way, and up to which."""

EDGE_SHARE = 0.008
"""Half the width, as a share of the longer side, of disagreement that is no more than an unsharp edge."""

SHADE_IS_GROUND = 0.3
"""Chance up to which what has the ground's hue and is darker is a shadow."""

MOST_REMOVED, MOST_SHADE = 0.15, 0.4
"""Largest share of the product that the network may take away, and that it may take away as a shadow."""


def join(ground: PlainGround, chance: Field) -> Pixels:
    """Join what the plain way found with the network's chances, float (any size): uint8 (h, w).

    Where the picture has the hue of the ground and is darker, the network decides, however narrow that is.
    """
    plain = ground.product
    height, width = plain.shape
    likely = np.asarray(Image.fromarray(chance).resize((width, height), Image.Resampling.BICUBIC))
    reach = max(1, round(EDGE_SHARE * max(height, width)))
    product = plain > 127
    added = _broad(~product & (likely > SURE_PRODUCT), reach)
    removed = _open(_broad(product & (likely < SURE_GROUND), reach), ~product) | _unlikely_parts(product, likely)
    shade = ndimage.binary_opening(product & ground.shade & (likely < SHADE_IS_GROUND))
    for area, most in ((removed, MOST_REMOVED), (shade, MOST_SHADE)):
        if area.sum() > most * product.sum():
            area[:] = False
    removed |= shade
    joined = plain.copy()
    joined[added] = 255
    joined[removed] = 0
    return joined


def _open(area: Mask, ground: Mask) -> Mask:
    """Those parts of an area that touch the ground: a spot amid a flat product, unlike any ground, is no hole."""
    parts, count = ndimage.label(area)
    touching = np.zeros(count + 1, np.bool_)
    touching[parts[ndimage.binary_dilation(ground)]] = True
    touching[0] = False
    opened: Mask = touching[parts]
    return opened


def _unlikely_parts(product: Mask, likely: Field) -> Mask:
    """Those parts of the product, apart from the others, that the network takes for ground: a floor's joints."""
    parts, count = ndimage.label(product)
    sizes = np.maximum(np.bincount(parts.ravel(), minlength=count + 1), 1)
    unlikely = np.bincount(parts.ravel(), weights=likely.ravel(), minlength=count + 1) / sizes < 2 * SURE_GROUND
    unlikely[0] = False
    area: Mask = unlikely[parts]
    return area


def overlap(plain: Pixels, chance: Field) -> float:
    """IoU of the plain way's mask and the network's: 0 to 1; 0 where neither found anything."""
    height, width = chance.shape
    one = np.asarray(Image.fromarray(plain).resize((width, height), Image.Resampling.BOX)) > 127
    other = chance > 0.5
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 0.0


def _broad(area: Mask, reach: int) -> Mask:
    """Those parts of an area that are wider than 2 × ``reach``, with their rims."""
    core = ndimage.binary_erosion(area, iterations=reach)
    if not core.any():
        return np.zeros_like(area)
    whole: Mask = ndimage.binary_dilation(core, iterations=2 * reach, mask=area)
    return whole
