"""Read what a trainer compares versions on, in memory only: held-out photos, and the stored pictures of styles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from torch import Tensor
from torchvision.transforms.v2 import functional as T

from shared.database import transaction
from shared.errors import ImageError, InvalidInput, MissingObject
from shared.models.training.look_photos import LookPhotoSource, live_photos, rejected_photos
from shared.models.training.photos import SourcePhoto, agreed_photos
from shared.models.training.pictures import StyleWithPictures, picture_key, styles_with_pictures
from shared.models.training.runs import TrainingRun
from workers.model.dataset import side_of
from workers.model.measures.evaluation import STYLE_PX
from workers.model.measures.panel import PANEL_PHOTOS, stratified
from workers.training.context import TrainerContext
from workers.training.look_photos import LookPhoto
from workers.training.photos import PhotoGone, decoded, read_photo
from workers.training.verdict_run import Material, Pair, require_images

PX = 384
"""Long side of the panel's photos."""

LOOK_PHOTOS = 24
"""Largest number of photos in their looks, for live and for rejected ones each."""

LOOKED_AT = 20
"""Named photos per wanted photo: a tenth of the live ones is in the test split, and some may be missing."""


class NoPanel(InvalidInput):
    """A run held out no photo, or all of them are missing."""

    code = "no_panel"


@dataclass(frozen=True)
class ReadPhoto:
    """Photo in memory, uint8 (3, H, W), and its source with its merchant."""

    source: SourcePhoto
    pixels: Tensor


def material_of(context: TrainerContext, run: TrainingRun, pair: Pair, progress: Callable[[str], None]) -> Material:
    """Read what a run's candidate is measured on. Raises UsageError or NoPanel if there is too little.

    Besides the panel: ``live``, current catalogue images in the test split, and ``rejected``, photos with rejected
    renditions, which the training may have seen.
    """
    read = _Reader(context, progress)
    with transaction(context.engine) as connection:
        known = styles_with_pictures(connection, None, pair.candidate.version.trunk_sha256)
        held_out = [photo for photo in agreed_photos(connection, run.id) if _is_unseen(photo)]
        live = [live for live in live_photos(connection, LOOKED_AT * LOOK_PHOTOS) if _is_unseen(live.photo)]
        rejected = rejected_photos(connection, LOOKED_AT * LOOK_PHOTOS)
    styles = {style.name: pictures for style in pair.styles if (pictures := read.images(known[style.name]))}
    require_images(pair, styles, "the store: `atelier retrain --pictures DIR` stores them")
    by_merchant = stratified(held_out, len(held_out), lambda photo: photo.merchant_id)
    panel = list(islice(read.photos(by_merchant, PX), PANEL_PHOTOS))
    if not panel:
        raise NoPanel(f"none of the {len(held_out)} photos that the run held out can be read")
    look_photos = {
        name: list(read.look_photos(name, photos)) for name, photos in (("live", live), ("rejected", rejected))
    }
    return Material(
        styles=styles,
        panel=[(f"photo {number}", photo.pixels[None].float() / 255) for number, photo in enumerate(panel, 1)],
        px=PX,
        data_sha256=hashlib.sha256("".join([*(photo.source.sha256 for photo in panel), str(PX)]).encode()).hexdigest(),
        look_photos=look_photos,
        working_px=context.settings.working_px,
        merchants=sorted(read.merchants),
    )


def _is_unseen(photo: SourcePhoto) -> bool:
    return side_of(photo.sha256) == "test"


class _Reader:
    """Reads photos and pictures from the store. Missing, changed and undecodable ones are left out.

    ``merchants`` are the owners of the photos that were read.
    """

    def __init__(self, context: TrainerContext, progress: Callable[[str], None]) -> None:
        self._context = context
        self._progress = progress
        self.merchants: set[int] = set()

    def photos(self, photos: Iterable[SourcePhoto], px: int) -> Iterator[ReadPhoto]:
        """Yield photos, with the longer side at most ``px``."""
        for photo in photos:
            self._progress(f"photo {photo.sha256}")
            with suppress(PhotoGone, ImageError):
                pixels = read_photo(self._context.store, photo, self._context.limits, px)
                self.merchants.add(photo.merchant_id)
                yield ReadPhoto(photo, _fitted(pixels, px))

    def look_photos(self, part: str, photos: Sequence[LookPhotoSource]) -> Iterator[LookPhoto]:
        """Yield photos with their looks, at most ``LOOK_PHOTOS``."""
        px = self._context.settings.working_px
        readable = ((photo.pixels, source.look) for source in photos for photo in self.photos([source.photo], px))
        for number, (pixels, look) in enumerate(islice(readable, LOOK_PHOTOS), 1):
            yield LookPhoto(f"{part} {number}", pixels.permute(1, 2, 0).numpy(), look)

    def images(self, style: StyleWithPictures) -> list[Tensor]:
        """Return the readable pictures of a style, uint8 (3, H, W)."""
        pictures = []
        self._progress(f"the pictures of {style.name}")
        for digest in style.pictures:
            with suppress(MissingObject, ImageError):
                data = self._context.store.get(picture_key(digest), max_bytes=self._context.limits.max_bytes)
                pictures.append(decoded(data, self._context.limits, STYLE_PX))
        return pictures


def _fitted(pixels: Tensor, px: int) -> Tensor:
    """Shrink uint8 (3, H, W) so that the longer side is at most ``px``."""
    height, width = pixels.shape[1:]
    factor = min(1.0, px / max(height, width))
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    small: Tensor = T.resize(pixels, size, antialias=True)
    return small
