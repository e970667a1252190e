"""The shadow that a product throws on a white ground: found, so that it stays a grey shadow.

What falls from a product onto paper is as neutral as the paper, changes slowly, and runs out into it. Parts of
the product have an edge against the ground, a colour, or lie within the product.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

WORKING_PX = 448
"""Longer side at which shadows are looked for."""

STEEPEST = 3.4
"""Levels of 255 by which a shadow's lightness changes from one pixel to the next at most."""

TINT = 10.0
"""How much farther apart a shadow's channels may lie than those of the ground."""

CONTACT_TINT = 30.0
"""The same beside a neutral shadow, where the product's own colour falls on the ground."""

CONTACT_PX = 12
"""Half the width of the notches in a shadow that a tint fills, and how far it reaches from there."""

DARKEST = 0.45
"""Least lightness of a shadow relative to the ground's."""

LEAST_OPEN = 0.2
"""Share of a shadow's outline that borders on the ground; of a pale part of a product it is less."""

MOST_OF_PRODUCT = 0.4
"""If more of what is no ground looks like a shadow, it is a white product."""


def shadow(rgb: Pixels, weight: Pixels) -> Pixels:
    """How much of each pixel is a shadow on the ground, 0 to 255: uint8 (H, W, 3) and (H, W) → (H, W).

    ``weight`` is 0 on the ground. A picture without a ground has no such shadow.
    """
    none = np.zeros_like(weight)
    if weight.min() > 127:
        return none
    height, width = weight.shape
    factor = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = resize(rgb, size, "bicubic")
    ground = resize(np.repeat(weight[..., np.newaxis], 3, axis=2), size, "bicubic")[..., 0] < 128
    found = _on_ground(small, ground)
    if not found.any() or found.sum() > MOST_OF_PRODUCT * (~ground).sum():
        return none
    # The ground around it is kept anyway: with it, only the edge against the product is soft.
    found |= ndimage.binary_dilation(found, iterations=10) & ground
    soft = np.rint(255 * ndimage.gaussian_filter(found.astype(np.float32), 1.5)).astype(np.uint8)
    shade: Pixels = resize(np.repeat(soft[..., np.newaxis], 3, axis=2), (width, height), "bicubic")[..., 0]
    return shade


def _on_ground(rgb: Pixels, ground: Mask) -> Mask:
    """Which pixels are a shadow that runs out into the ground."""
    smooth: Field = ndimage.gaussian_filter(rgb.astype(np.float32), (1, 1, 0))
    lightness, tint = smooth.mean(axis=2), smooth.max(axis=2) - smooth.min(axis=2)
    slope = np.hypot(ndimage.sobel(lightness, 0), ndimage.sobel(lightness, 1)) / 8
    calm = (slope < STEEPEST) & (lightness > DARKEST * np.median(lightness[ground]))
    even = calm & (tint < np.median(tint[ground]) + TINT)
    areas, count = ndimage.label(even | ground)
    reached = np.zeros(count + 1, np.bool_)
    reached[areas[ground]] = True
    reached[0] = False
    even = reached[areas] & ~ground
    # Without threads and specks; what is chosen gets its rim back.
    chosen = _open(ndimage.binary_opening(even, iterations=2), ground)
    if not chosen.any():
        return chosen
    whole = ndimage.binary_dilation(chosen, iterations=4, mask=even)
    # What is tinted counts in notches between the shadow and the ground, and not as far as a product's edge.
    tinted = calm & (tint < np.median(tint[ground]) + CONTACT_TINT) & ~ground
    notches = ndimage.binary_closing(whole | ground, iterations=CONTACT_PX) & tinted
    contact: Mask = ndimage.binary_dilation(whole, iterations=CONTACT_PX, mask=notches | whole)
    return contact


def _open(found: Mask, ground: Mask) -> Mask:
    """Those areas of ``found`` whose outline borders on the ground for a good part."""
    areas, count = ndimage.label(found)
    if count == 0:
        return found
    near_ground = ndimage.binary_dilation(ground, iterations=3)
    outline = found & ~ndimage.binary_erosion(found)
    whole = np.bincount(areas[outline], minlength=count + 1)
    bordering = np.bincount(areas[outline & near_ground], minlength=count + 1)
    kept = bordering >= LEAST_OPEN * np.maximum(whole, 1)
    kept[0] = False
    chosen: Mask = kept[areas]
    return chosen
