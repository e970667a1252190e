"""Joins what the plain way and the network found on a plain ground.

The plain way knows where an edge is, to the pixel; the network knows what a product looks like. A white mug on white
and a highlight look like the ground and are not; a broad shadow looks like a product and is not. Where the two
disagree, the network adds to the product, and closes its holes; it takes away what lies at the ground and is no pale
part of a product, which has an edge against the ground, or a tint, where a shadow has neither.
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

HOLE_IS_PRODUCT = 0.5
"""Mean chance from which a hole is a highlight or a white part of the product."""

ALL_BUT_CERTAIN = 0.97
"""Chance up to which what has the ground's hue, is darker, and lies between a shadow and a product is a shadow."""

SPECK_SHARE = 0.001
"""Holes smaller than this share of the product are specks."""

PALE_SHARE, LEAST_SHADE = 0.5, 0.4
"""Share of a pale part that is about as light as the ground; share of a shadow that has its hue and is darker."""

STEEPEST, STEEPEST_TINTED = 6.0, 2.5
"""Levels a pixel by which a shadow runs out into the ground, and one does on which a product's colour falls.

Medians along the outlines in 21 photos: shadows 1 to 6, tinted ones 1 to 2; a cream lampshade 4, cream headphones 5."""

MOST_REMOVED = 0.4
"""Largest share of the product that the network may take away."""


def join(ground: PlainGround, chance: Field) -> Pixels:
    """Join what the plain way found with the network's chances, float (any size): uint8 (h, w)."""
    plain = ground.product
    height, width = plain.shape
    likely = np.asarray(Image.fromarray(chance).resize((width, height), Image.Resampling.BICUBIC))
    reach = max(1, round(EDGE_SHARE * max(height, width)))
    product = plain > 127
    added = _broad(~product & ~_open_holes(product, likely) & (likely > SURE_PRODUCT), reach)
    removed = _outer_parts(ground, likely, reach)
    removed |= _unlikely_parts(product & ~removed, likely)
    if removed.sum() > MOST_REMOVED * product.sum():
        removed[:] = False
    joined = plain.copy()
    # With what is left of it on the ground's side.
    joined[removed | (ndimage.binary_dilation(removed, iterations=reach) & ~product)] = 0
    joined[added] = 255
    joined[_false_holes(joined > 127, likely)] = 255
    return _with_soft_rim(joined, ground.distance)


def _with_soft_rim(weight: Pixels, distance: Field) -> Pixels:
    """Weigh the outermost pixels by how much of the product they show; the plain way counts all that is no ground.

    Such a pixel mixes product and ground; its share is its distance from the ground relative to that farther in.
    """
    solid = weight > 127
    rim = solid & ~ndimage.binary_erosion(solid, border_value=1)
    inner = ndimage.maximum_filter(np.where(solid, distance, 0), 3)
    share = np.rint(255 * np.minimum(1, distance / np.maximum(inner, 1)))
    return np.where(rim, np.minimum(weight, share), weight).astype(np.uint8)


def _outer_parts(ground: PlainGround, likely: Field, reach: int) -> Mask:
    """Parts of the product at the ground that the network takes for ground: shadows, and no pale parts of a product."""
    product = ground.product > 127
    unlikely = _broad(product & (likely < SURE_GROUND), reach)
    unlikely |= ndimage.binary_opening(product & ground.shade & (likely < SHADE_IS_GROUND))
    areas, count = ndimage.label(unlikely)
    # The steepest place within two pixels: an edge is not always just where the plain way saw it.
    slope = ndimage.maximum_filter(ground.slope, 5)
    chosen = np.zeros(count + 1, np.bool_)
    for number, box in enumerate(ndimage.find_objects(areas), start=1):
        grown = tuple(slice(max(0, side.start - 3), side.stop + 3) for side in box)
        area = areas[grown] == number
        outside = ndimage.binary_dilation(area, iterations=2) & ~product[grown]
        if outside.any():
            pale = ground.pale[grown][area].mean() > PALE_SHARE
            tinted = ground.shade[grown][area].mean() < LEAST_SHADE
            steepest = STEEPEST_TINTED if tinted else STEEPEST
            chosen[number] = not (pale and np.median(slope[grown][outside]) > steepest)
    outer = chosen[areas]
    # The rest of a shadow, up to the product's edge.
    shade = ground.shade | (ground.pale & (ground.slope < STEEPEST_TINTED))
    rest = product & shade & (likely < SURE_PRODUCT) & (ground.slope < STEEPEST)
    whole = ndimage.binary_dilation(outer, iterations=3 * reach, mask=rest | outer)
    # At the product's foot a shadow darkens within a few pixels, and the network is not that sharp.
    foot = product & (ground.shade | ground.pale) & (likely < ALL_BUT_CERTAIN)
    around: Mask = ndimage.binary_dilation(whole, iterations=reach, mask=foot | whole)
    return around


def _open_holes(product: Mask, likely: Field) -> Mask:
    """Holes through which the ground is seen."""
    holes: Mask = ndimage.binary_fill_holes(product) & ~product & ~_false_holes(product, likely)
    return holes


def _false_holes(product: Mask, likely: Field) -> Mask:
    """Holes that are specks, or that the network takes for product: highlights and white parts."""
    holes, count = ndimage.label(~product)
    sizes = np.maximum(np.bincount(holes.ravel(), minlength=count + 1), 1)
    chance = np.bincount(holes.ravel(), weights=likely.ravel(), minlength=count + 1) / sizes
    false = (chance > HOLE_IS_PRODUCT) | (sizes < SPECK_SHARE * product.sum())
    false[0] = False
    for side in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        false[side] = False
    area: Mask = false[holes]
    return area


def _unlikely_parts(product: Mask, likely: Field) -> Mask:
    """Those parts of the product, apart from the others, that the network takes for ground: a floor's joints."""
    parts, count = ndimage.label(product)
    sizes = np.maximum(np.bincount(parts.ravel(), minlength=count + 1), 1)
    unlikely = np.bincount(parts.ravel(), weights=likely.ravel(), minlength=count + 1) / sizes < 2 * SURE_GROUND
    unlikely[0] = False
    area: Mask = unlikely[parts]
    return area


def compare(plain: Pixels, chance: Field) -> tuple[float, Mask]:
    """Return the share of the network's product that the plain way found too, and what the latter has more: (h, w)."""
    height, width = plain.shape
    likely = np.asarray(Image.fromarray(chance).resize((width, height), Image.Resampling.BICUBIC)) > 0.5
    product = plain > 127
    return float((product & likely).sum()) / max(1, int(likely.sum())), product & ~likely


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
