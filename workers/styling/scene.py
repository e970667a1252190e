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
from workers.styling.background_cache import BackgroundCache

Pixels = npt.NDArray[np.uint8]

SCENE_VERSION = 1
"""Increase it when scenes get other pixels: renditions of looks with a background are then made again."""

LEAST_CONFIDENCE = 0.5
"""Confidence in the product mask below which the photo's own background stays."""

MASKED_PX = 768
"""Longer side at which the product is looked for."""


@dataclass(frozen=True)
class Scene:
    """A photo with its look's background.

    ``photo``       as it is painted; the source itself if ``is_set`` is False.
    ``alpha``       uint8 (H, W), where the product is in it.
    ``confidence``  in the product mask.
    ``is_set``      whether the product could be told from its ground.
    """

    photo: Photo
    alpha: Pixels
    confidence: float
    is_set: bool

    def weight(self, size: tuple[int, int], weight: Pixels, look: Look) -> Pixels:
        """Return how much of each pixel is painted, uint8 (h, w), at ``size``: the ground only if the look says so."""
        if not self.is_set or look.white == "paint":
            return weight
        product = np.asarray(Image.fromarray(self.alpha).resize(size, Image.Resampling.BOX))
        return np.minimum(weight, product) if self.photo.alpha is not None else product


def set_scene(photo: Photo, look: Look, merchant: int, pictures: BackgroundCache) -> Scene:
    """Return a photo with the background of its look.

    Where no product can be told from its ground with enough confidence, the photo stays as it is. Raises ImageError
    if the background picture is gone.
    """
    background = parse_background(look.background)
    # First, so that a picture that is gone is reported for every image alike.
    picture = pictures.picture(merchant, background.picture) if background.ground == Ground.PICTURE else None
    mask = _masked(photo)
    if mask.confidence < LEAST_CONFIDENCE:
        return Scene(photo, np.full(photo.rgb.shape[:2], 255, np.uint8), mask.confidence, is_set=False)
    refined = refined_alpha(photo, mask)
    cut = cut_out(photo.rgb, refined, plain=mask.origin == MaskOrigin.PLAIN, on_floor=picture is not None)
    if background.ground == Ground.TRANSPARENT:
        clear = cut.alpha[..., np.newaxis] == 0
        made = replace(photo, rgb=np.where(clear, np.uint8(255), cut.rgb), alpha=cut.alpha)
    else:
        made = replace(photo, rgb=over(cut, _ground(background, picture, cut)), alpha=None)
    return Scene(made, cut.alpha, mask.confidence, is_set=True)


def refined_alpha(photo: Photo, mask: ProductMask) -> Pixels:
    """Return the product mask at the photo's resolution, uint8 (H, W): never more than the photo's own alpha."""
    refined = refine(mask, photo.rgb)
    return refined if photo.alpha is None else np.minimum(refined, photo.alpha)


def _masked(photo: Photo) -> ProductMask:
    factor = min(1.0, MASKED_PX / max(photo.width, photo.height))
    return product_mask(photo, (max(1, round(photo.width * factor)), max(1, round(photo.height * factor))))


def _ground(background: Background, picture: Pixels | None, cut: Cut) -> Pixels:
    height, width = cut.alpha.shape
    if picture is not None:
        return filling(picture, height, width)
    if background.ground == Ground.GRADIENT:
        top, bottom = background.colours
        return gradient(top, bottom, height, width)
    return flat(background.colours[0], height, width)
