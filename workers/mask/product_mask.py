"""The product mask of a photo: from its alpha, from a plain ground, or by the project's network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers.images.encode import on_white
from workers.images.photo import Photo
from workers.mask.alpha import alpha_mask, is_cut_out
from workers.mask.guided_filter import guided_filter
from workers.mask.plain_ground import PlainGround, plain_ground

Pixels = npt.NDArray[np.uint8]

MASK_VERSION = "1"
"""Names the code and the weights: it changes whenever the masks may."""

REFINE_RADIUS, REFINE_EPSILON = 4, 1e-4


class MaskOrigin(StrEnum):
    """Where a product mask comes from."""

    ALPHA = "alpha"  # the photo is a cut-out
    PLAIN = "plain"  # the photo has a plain ground
    NETWORK = "network"  # the photo shows a scene


@dataclass(frozen=True)
class ProductMask:
    """How much each pixel belongs to the product.

    ``weight``      uint8 (h, w): 0 is ground, 255 is product, soft in between.
    ``confidence``  0 to 1: the share of such masks that are right.
    ``origin``      how it was found.
    """

    weight: Pixels
    confidence: float
    origin: MaskOrigin


def product_mask(photo: Photo, size: tuple[int, int]) -> ProductMask:
    """Find the product mask of a photo, at ``size`` = (width, height), the working size."""
    if photo.alpha is not None and is_cut_out(photo.alpha):
        weight = alpha_mask(photo.rgb, photo.alpha, size)
        return ProductMask(weight, 1.0 if weight.max() > 127 else 0.0, MaskOrigin.ALPHA)
    rgb = photo.rgb if photo.alpha is None else on_white(photo.rgb, photo.alpha)
    ground = plain_ground(rgb)
    weight = enlarge(ground.product, size)
    return ProductMask(weight, _confidence(ground), MaskOrigin.PLAIN)


def refine(mask: ProductMask, rgb: Pixels) -> Pixels:
    """Fit a mask to the edges of its photo, uint8 (H, W, 3): uint8 (H, W), at the photo's resolution."""
    if mask.weight.min() == mask.weight.max():
        return np.full(rgb.shape[:2], mask.weight.flat[0], np.uint8)
    return guided_filter(mask.weight, rgb, radius=REFINE_RADIUS, epsilon=REFINE_EPSILON)


def enlarge(weight: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize uint8 (h, w) to ``size`` = (width, height)."""
    return np.asarray(Image.fromarray(weight).resize(size, Image.Resampling.BICUBIC))


def _confidence(ground: PlainGround) -> float:
    share = float(ground.product.mean()) / 255
    if share < 0.005 or share > 0.97:
        return 0.0
    return ground.plainness * min(1.0, ground.contrast / 20)
