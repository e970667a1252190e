"""Photos for a retraining, out of the object store and into memory: hostile like any source, and checked alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from PIL import Image
from torch import Tensor

from shared.errors import ImageError, InvalidInput, MissingObject
from shared.models.training.photos import SourcePhoto
from shared.store import ObjectStore
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.model.dataset import side_of, to_pixels
from workers.model.measures.figures import figures

LONGEST = 3
"""Times its shorter side that a photo may be long: crops are squares, and memory is not to be had for the asking."""


class PhotoGone(InvalidInput):
    """A photo that a run learns from is no longer what it was, or nowhere."""

    code = "training_data_gone"


@dataclass
class Collected:
    """Photos that were collected.

    ``merchants`` are by hash; ``pixels``, uint8 (3, H, W), those of the training and validation sides.
    """

    merchants: dict[str, int] = field(default_factory=dict)
    pixels: dict[str, Tensor] = field(default_factory=dict)
    figures: list[dict[str, float]] = field(default_factory=list)


def collect(
    store: ObjectStore,
    photos: Iterable[SourcePhoto],
    most: int,
    limits: Limits,
    short_px: int,
    progress: Callable[[], None],
) -> Collected:
    """Read and measure up to ``most`` photos; what is gone, changed or no image is left out."""
    found = Collected()
    for photo in photos:
        progress()
        try:
            pixels = read_photo(store, photo, limits, short_px)
        except (PhotoGone, ImageError):
            continue
        found.merchants[photo.sha256] = photo.merchant_id
        found.figures.append(figures(pixels))
        if side_of(photo.sha256) != "test":
            found.pixels[photo.sha256] = pixels
        if len(found.merchants) == most:
            break
    return found


def read_again(
    store: ObjectStore, photos: Iterable[SourcePhoto], limits: Limits, short_px: int, progress: Callable[[], None]
) -> dict[str, Tensor]:
    """Read the photos that a run has learnt from, the very same. Raises PhotoGone, or ImageError."""
    pixels = {}
    for photo in photos:
        progress()
        if side_of(photo.sha256) != "test":
            pixels[photo.sha256] = read_photo(store, photo, limits, short_px)
    return pixels


def read_photo(store: ObjectStore, photo: SourcePhoto, limits: Limits, short_px: int) -> Tensor:
    """Return a photo as uint8 (3, H, W), its shorter side at most ``short_px``. Raises PhotoGone or ImageError."""
    try:
        data = store.get(photo.key, max_bytes=limits.max_bytes)
    except MissingObject as error:
        raise PhotoGone(f"photo {photo.sha256} is gone from the store: queue another run") from error
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise PhotoGone(f"photo {photo.sha256} was changed since it was styled: queue another run")
    pixels = decoded(data, limits, short_px)
    height, width = pixels.shape[1:]
    most = LONGEST * min(height, width)
    top, left = max(0, height - most) // 2, max(0, width - most) // 2
    return pixels[:, top : top + most, left : left + most].contiguous()


def decoded(data: bytes, limits: Limits, short_px: int) -> Tensor:
    """Decode an image within the limits: uint8 (3, H, W), on white. Raises ImageError."""
    photo = decode(data, limits)
    image = Image.fromarray(photo.rgb)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    return to_pixels(image, short_px)
