"""Set the product of a photo on the background of its look, before it is painted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.background import Background, Ground, parse_background
from shared.look import Look
from workers.images.photo import Photo
from workers.images.scene.ground import filling, flat, gradient
from workers.images.scene.scene import Cut, cut_out, over
from workers.mask.product_mask import MaskOrigin, ProductMask, product_mask, refine
from workers.mask.segmenter import Segmenter
from workers.styling.background_cache import BackgroundCache
from workers.styling.product import CONFIDENT

Pixels = npt.NDArray[np.uint8]

SCENE_VERSION = 1
"""Increase it when scenes get other pixels: renditions of looks with a background are then made again."""

MASKED_PX = 768
"""Longer side at which the product is looked for."""


@dataclass(frozen=True)
class Scene:
    """A photo with its look's background.

    ``photo``       as it is painted; the source itself if the scene is not set.
    ``alpha``       uint8 (H, W), where the product is in it.
    ``found``       the product mask of the source.
    """

    photo: Photo
    alpha: Pixels
    found: ProductMask

    @property
    def is_set(self) -> bool:
        """Whether the product could be told from its ground, and stands on another now."""
        return self.found.confidence >= CONFIDENT

    def product(self, size: tuple[int, int]) -> ProductMask:
        """Return where the product is in the scene, at ``size`` = (width, height)."""
        return replace(self.found, weight=self._at(size))

    def _at(self, size: tuple[int, int]) -> Pixels:
        return np.asarray(Image.fromarray(self.alpha).resize(size, Image.Resampling.BOX))

    def weight(self, size: tuple[int, int], weight: Pixels, look: Look) -> Pixels:
        """Return how much of each pixel is painted, uint8 (h, w), at ``size``: the ground only if the look says so."""
        if not self.is_set or look.white == "paint":
            return weight
        product = self._at(size)
        return np.minimum(weight, product) if self.photo.alpha is not None else product


def set_scene(
    photo: Photo, look: Look, merchant: int, pictures: BackgroundCache, segmenter: Segmenter | None = None
) -> Scene:
    """Return a photo with the background of its look.

    Where no product can be told from its ground with enough confidence, the photo stays as it is. Raises ImageError
    if the background picture is gone.
    """
    background = parse_background(look.background)
    # First, so that a picture that is gone is reported for every image alike.
    picture = pictures.picture(merchant, background.picture) if background.ground == Ground.PICTURE else None
    mask = _masked(photo, segmenter)
    if mask.confidence < CONFIDENT:
        return Scene(photo, np.full(photo.rgb.shape[:2], 255, np.uint8), mask)
    refined = refined_alpha(photo, mask)
    cut = cut_out(photo.rgb, refined, plain=mask.origin == MaskOrigin.PLAIN, on_floor=picture is not None)
    if background.ground == Ground.TRANSPARENT:
        clear = cut.alpha[..., np.newaxis] == 0
        made = replace(photo, rgb=np.where(clear, np.uint8(255), cut.rgb), alpha=cut.alpha)
    else:
        made = replace(photo, rgb=over(cut, _ground(background, picture, cut)), alpha=None)
    return Scene(made, cut.alpha, mask)


def refined_alpha(photo: Photo, mask: ProductMask) -> Pixels:
    """Return the product mask at the photo's resolution, uint8 (H, W): never more than the photo's own alpha."""
    refined = refine(mask, photo.rgb)
    return refined if photo.alpha is None else np.minimum(refined, photo.alpha)


def _masked(photo: Photo, segmenter: Segmenter | None) -> ProductMask:
    factor = min(1.0, MASKED_PX / max(photo.width, photo.height))
    size = max(1, round(photo.width * factor)), max(1, round(photo.height * factor))
    return product_mask(photo, size, segmenter)


def _ground(background: Background, picture: Pixels | None, cut: Cut) -> Pixels:
    height, width = cut.alpha.shape
    if picture is not None:
        return filling(picture, height, width)
    if background.ground == Ground.GRADIENT:
        top, bottom = background.colours
        return gradient(top, bottom, height, width)
    return flat(background.colours[0], height, width)
