"""What a look keeps of the product, applied to a composed rendition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared.look import Look
from shared.protection import Protect
from shared.strength import Strength
from workers.images.lettering import keep_lettering, lettering_mask
from workers.images.protection import Kept, Pixels, protect
from workers.mask.product_mask import MaskOrigin, ProductMask, refine

PROTECTION_VERSION = 1
"""Part of the digest of looks that protect something; increase it when their pixels change."""

CONFIDENT = 0.5
"""Confidence in a mask from which it is used. Below it, protection is for the whole picture, and a gentler one."""

SURE = 0.75
"""Confidence in a mask from which what it leaves out of a white ground's picture takes no paint."""

SOFT = 0.5
"""Strength on the product under ``soft`` relative to that of the scene."""


@dataclass(frozen=True)
class Product:
    """What of a photo is the product, at its resolution.

    ``mask``        uint8 (H, W), 255 on the product; everywhere if the product was not found.
    ``lettering``   uint8 (H, W), 255 on text-like areas; None if the look does not keep them.
    ``confidence``  of the mask, 0 to 1.
    """

    mask: Pixels
    lettering: Pixels | None
    confidence: float

    @property
    def is_found(self) -> bool:
        """Whether the mask tells the product from its scene."""
        return self.confidence >= CONFIDENT


def find_details(rgb: Pixels, found: ProductMask, look: Look) -> Product:
    """Fit a product mask to the edges of its photo, uint8 (H, W, 3), and find lettering on it, at that resolution."""
    sure = found.confidence >= CONFIDENT
    mask = refine(found, rgb) if sure else np.full(rgb.shape[:2], 255, np.uint8)
    lettering = _lettering(rgb, mask) if look.lettering and look.protect != Protect.PRODUCT else None
    return Product(mask, lettering, found.confidence)


def _lettering(rgb: Pixels, mask: Pixels) -> Pixels:
    """Find lettering on the product alone."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    lettering = np.zeros_like(mask)
    if len(rows):
        part = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        lettering[part] = np.minimum(lettering_mask(rgb[part]), mask[part])
    return lettering


def painted_area(weight: Pixels, found: ProductMask) -> Pixels:
    """Return how much of the paint each pixel takes, uint8 (h, w), where a product on a white ground is known.

    What the mask leaves out of a ground that stays white is its shadow.
    """
    if found.confidence < SURE or found.origin == MaskOrigin.NETWORK or weight.min() > 0:
        return weight
    return np.minimum(weight, found.weight)


def strengths_of(look: Look, product: Product | None) -> Strength:
    """Return the strengths on scene and product. Where the product is not told from its scene, the lesser of both."""
    scene = look.strength
    by_protection = {Protect.PRODUCT: 0.0, Protect.SOFT: SOFT * scene}.get(Protect(look.protect), scene)
    on_product = by_protection if look.product_strength is None else look.product_strength
    if product is None or product.is_found:
        return Strength(scene, on_product)
    if look.protect == Protect.PRODUCT:
        return Strength(scene, scene)  # with its colour kept: nothing would be left of the style otherwise
    return Strength(min(scene, on_product), min(scene, on_product))


def protected(photo: Pixels, rendition: Pixels, look: Look, product: Product, strengths: Strength) -> Pixels:
    """Return a rendition, composed at the greater of the strengths, with what the look keeps of the photo."""
    kept = Kept(
        colour=look.protect == Protect.COLOUR or (look.protect == Protect.PRODUCT and not product.is_found),
        shadows=look.protect == Protect.PRODUCT and product.is_found,
        product=1 - strengths.on_product / strengths.most,
        scene=1 - strengths.scene / strengths.most,
    )
    rendition = protect(photo, rendition, product.mask, kept)
    if product.lettering is None or strengths.on_product == 0:
        return rendition
    return keep_lettering(photo, rendition, product.lettering)
