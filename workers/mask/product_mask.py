"""The product mask of a photo: from its alpha, from a plain ground, or by the project's network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from workers.images.background import ramp
from workers.images.encode import on_white
from workers.images.photo import Photo
from workers.mask.alpha import alpha_mask, is_cut_out
from workers.mask.confidence import Evidence, confidence
from workers.mask.fusion import join, overlap
from workers.mask.guided_filter import guided_filter
from workers.mask.network_file import network_sha256
from workers.mask.plain_ground import PlainGround, plain_ground
from workers.mask.segmenter import Segmenter

Pixels = npt.NDArray[np.uint8]

CODE_VERSION = 2
"""Changes whenever the same network may give other masks."""

REFINE_RADIUS, REFINE_EPSILON = 4, 1e-4
"""Half the side of the guided filter's windows, in pixels of the mask, and the variance that counts as flat."""

PLAIN_ENOUGH = 0.5
"""Plainness of the ground from which the plain way is tried."""

UNDECIDED = (0.2, 0.8)
"""Chances between which a pixel is partly product; an outline of the network is softer than the photo's."""

LEAST_AGREED = 0.6
"""IoU with the network from which the plain way is believed."""


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


@cache
def mask_version() -> str:
    """Name the code and the network: it changes whenever masks may. It enters the digest of a look with a mask."""
    return f"{CODE_VERSION}-{network_sha256()[:12]}"


def product_mask(photo: Photo, size: tuple[int, int], segmenter: Segmenter | None = None) -> ProductMask:
    """Find the product mask of a photo, at ``size`` = (width, height), the working size.

    Without a ``segmenter`` there are only the alpha and the plain way; a scene then is all product, of confidence 0.
    """
    if photo.alpha is not None and is_cut_out(photo.alpha):
        weight = alpha_mask(photo.rgb, photo.alpha, size)
        return ProductMask(weight, 1.0 if weight.max() > 127 else 0.0, MaskOrigin.ALPHA)
    rgb = photo.rgb if photo.alpha is None else on_white(photo.rgb, photo.alpha)
    weight, evidence, origin = find_product(rgb, segmenter)
    return ProductMask(enlarge(weight, size), confidence(evidence), origin)


def find_product(rgb: Pixels, segmenter: Segmenter | None) -> tuple[Pixels, Evidence, MaskOrigin]:
    """Find the product in an opaque photo, uint8 (H, W, 3): a mask of any size, what speaks for it, and its origin."""
    ground = plain_ground(rgb)
    if segmenter is None:
        return ground.product, Evidence.of(ground.product, ground.plainness, ground.contrast), MaskOrigin.PLAIN
    found = segmenter.segment(rgb)
    agreed = overlap(ground.product, found.chance) if ground.plainness >= PLAIN_ENOUGH else 0.0
    if _is_plain(ground, agreed):
        weight, origin = join(ground, found.chance), MaskOrigin.PLAIN
    else:
        decided = np.asarray(ramp(found.chance, *UNDECIDED))
        weight, origin = np.rint(255 * decided).astype(np.uint8), MaskOrigin.NETWORK
    return weight, Evidence.of(weight, ground.plainness, ground.contrast, found, agreed), origin


def _is_plain(ground: PlainGround, agreed: float) -> bool:
    """Whether the plain way is to be believed: the ground is plain, and the network sees about the same product."""
    return ground.plainness >= PLAIN_ENOUGH and agreed >= LEAST_AGREED


def refine(mask: ProductMask, rgb: Pixels) -> Pixels:
    """Fit a mask to the edges of its photo, uint8 (H, W, 3): uint8 (H, W), at the photo's resolution."""
    if mask.weight.min() == mask.weight.max():
        return np.full(rgb.shape[:2], mask.weight.flat[0], np.uint8)
    return guided_filter(mask.weight, rgb, radius=REFINE_RADIUS, epsilon=REFINE_EPSILON)


def enlarge(weight: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize uint8 (h, w) to ``size`` = (width, height)."""
    return np.asarray(Image.fromarray(weight).resize(size, Image.Resampling.BICUBIC))
