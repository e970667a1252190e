"""Read photos for retraining from the object store into memory, untrusted and checked like any source."""

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
"""Largest ratio of a photo's sides. Crops are square, and a longer photo only costs memory."""


class PhotoGone(InvalidInput):
    """A photo that a run learns from is missing or has changed."""

    code = "training_data_gone"


@dataclass
class Collected:
    """Photos for a run.

    ``merchants`` are by hash; ``pixels``, uint8 (3, H, W), are those of the training and validation splits.
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
    """Read and measure up to ``most`` photos. Missing, changed and undecodable ones are left out."""
    collected = Collected()
    for photo in photos:
        progress()
        try:
            pixels = read_photo(store, photo, limits, short_px)
        except (PhotoGone, ImageError):
            continue
        collected.merchants[photo.sha256] = photo.merchant_id
        collected.figures.append(figures(pixels))
        if side_of(photo.sha256) != "test":
            collected.pixels[photo.sha256] = pixels
        if len(collected.merchants) == most:
            break
    return collected


def read_again(
    store: ObjectStore, photos: Iterable[SourcePhoto], limits: Limits, short_px: int, progress: Callable[[], None]
) -> dict[str, Tensor]:
    """Read exactly the photos that a run has learnt from. Raises PhotoGone, or ImageError."""
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
        raise PhotoGone(f"photo {photo.sha256} is missing in the store: queue another run") from error
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise PhotoGone(f"photo {photo.sha256} has changed since it was styled: queue another run")
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
