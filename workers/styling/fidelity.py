"""How true a rendition is to the product, at ``measure.MEASURED_PX``: silhouette, halo, lettering.

These are figures of this project, to find the odd rendition among thousands; a person's eye is the judge.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from workers.model.ssim import EDGE_DEVIATION, WINDOW_PX, Similarity

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SIDE_PX = 3
"""Width of the bands on both sides of an outline that are compared."""

VISIBLE, LOST = 6.0, 3.0
"""Difference in CIELAB across an outline from which it is seen, and below which it is lost."""

RIM_PX, FAR_PX = 4, 12
"""Width of the rim around a product in which a halo would be, and of the band beyond with which it is compared."""


def silhouette_lost(before: Field, after: Field, product: Mask) -> float | None:
    """Return the share of the product's outline that is seen in the photo and not in the rendition, 0 to 1.

    Args:
        before: the photo in CIELAB, (h, w, 3).
        after: the rendition in CIELAB, (h, w, 3).
        product: where the product is, (h, w).

    Returns None if the photo shows no outline.
    """
    outline = product & ~ndimage.binary_erosion(product, border_value=1)
    inside = product & ~ndimage.binary_erosion(product, iterations=SIDE_PX, border_value=1)
    outside = ~product & ndimage.binary_dilation(product, iterations=SIDE_PX)
    both = np.concatenate((before, after), axis=2)
    across = (_local_mean(both, inside, SIDE_PX) - _local_mean(both, outside, SIDE_PX))[outline]
    seen, kept = np.linalg.norm(across[:, :3], axis=1), np.linalg.norm(across[:, 3:], axis=1)
    if not (seen >= VISIBLE).any():
        return None
    return float((kept < LOST)[seen >= VISIBLE].mean())


def halo(before: Field, after: Field, product: Mask) -> float | None:
    """Return how far a rim around the product is from the scene beyond it, in CIELAB, more than in the photo.

    Takes the same as ``silhouette_lost``. Returns None if there is no scene around the product.
    """
    near = ndimage.binary_dilation(product, iterations=RIM_PX) & ~product
    far = ndimage.binary_dilation(product, iterations=RIM_PX + FAR_PX) & ~product & ~near
    if not near.any() or not far.any():
        return None
    both = np.concatenate((before, after), axis=2)
    away = (_local_mean(both, near, RIM_PX / 2) - _local_mean(both, far, FAR_PX / 2))[near]
    was, is_now = np.linalg.norm(away[:, :3], axis=1), np.linalg.norm(away[:, 3:], axis=1)
    return float(np.maximum(is_now - was, 0).mean())


def lettering_agreement(photo: Pixels, rendition: Pixels, lettering: Pixels) -> float | None:
    """Return the mean structural agreement of text-like areas, 0 to 1, at the photo's resolution.

    It is the third factor of SSIM (Wang et al. 2004) where the photo has edges: blind to tone and contrast. None if
    there is no lettering.
    """
    areas, _ = ndimage.label(lettering > 127)
    agreed, total = 0.0, 0
    for part in ndimage.find_objects(areas):
        if min(side.stop - side.start for side in part) < WINDOW_PX:
            continue
        similar = Similarity.between(_tensor(rendition[part]), _tensor(photo[part]))
        edges = similar.deviation[0] >= EDGE_DEVIATION
        agreed += float(similar.structure[0][edges].clamp_min(0).sum())
        total += int(edges.sum())
    return agreed / total if total else None


def _local_mean(values: Field, where: Mask, sigma: float) -> Field:
    """Mean of the nearby values within ``where``: (h, w, c) and (h, w) → (h, w, c)."""
    weight = where.astype(np.float32)[..., np.newaxis]
    sums = ndimage.gaussian_filter(np.concatenate((values * weight, weight), axis=2), (sigma, sigma, 0), truncate=2.0)
    mean: Field = sums[..., :-1] / np.maximum(sums[..., -1:], np.float32(1e-4))
    return mean


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
