"""The product's own colours at its soft edges, without the ground that shines through them.

M. Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021: means of product and ground around each
pixel, then what the photo is besides their mixture.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from workers.images.resize import resize

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

WORKING_PX = 768
"""Longer side at which the means are taken."""

RADIUS = 6
"""Half the side of the windows at that size: wider than soft edges are, narrower than patterns of a product."""

SOLID = 250
"""Alpha from which a pixel is the product's alone and stays as it is."""

STRIP_ROWS = 64


def own_colours(rgb: Pixels, alpha: Pixels) -> Pixels:
    """Return a photo with the ground taken out of its edges: uint8 (H, W, 3) and alpha (H, W) → (H, W, 3).

    Where alpha is 0 the colours are those of the nearest edge, as far as the windows reach.
    """
    height, width = alpha.shape
    factor = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = resize(rgb, size, "bicubic").astype(np.float32)
    share = np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BOX), np.float32) / np.float32(255)
    product, ground = (
        resize(local_means(small, part), (width, height), "bicubic") for part in (share**2, (1 - share) ** 2)
    )
    result = rgb.copy()
    for top in range(0, height, STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        soft = alpha[rows] < SOLID
        if soft.any():
            part = (alpha[rows][soft].astype(np.float32) / 255)[:, np.newaxis]
            own, behind = (fields[rows][soft].astype(np.float32) for fields in (product, ground))
            rest = rgb[rows][soft] - part * own - (1 - part) * behind
            result[rows][soft] = np.clip(np.rint(own + part * rest), 0, 255).astype(np.uint8)
    return result


def local_means(rgb: Field, share: Field) -> Pixels:
    """Return the mean colours around each pixel of what a share of 0 to 1 belongs to.

    float (h, w, 3) and (h, w) → uint8 (h, w, 3). Where a small window holds nothing of it, a wider one counts.
    """
    near, far = (
        [ndimage.uniform_filter(field, 2 * radius + 1, mode="nearest") for field in (share, *_weighted(rgb, share))]
        for radius in (RADIUS, 4 * RADIUS)
    )
    whole = np.stack([field / np.maximum(far[0], 1e-4) for field in far[1:]], axis=-1)
    known = np.clip(near[0] / 0.02, 0, 1)[..., np.newaxis]
    local = np.stack([field / np.maximum(near[0], 1e-4) for field in near[1:]], axis=-1)
    means: Pixels = np.clip(np.rint(known * local + (1 - known) * whole), 0, 255).astype(np.uint8)
    return means


def _weighted(rgb: Field, share: Field) -> list[Field]:
    return [rgb[..., channel] * share for channel in range(3)]
