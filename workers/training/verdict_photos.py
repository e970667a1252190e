"""What a trainer compares versions on: photos that a run held out, and the kept pictures of styles; in memory alone."""

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
"""So many photos in their looks are measured at most, of those live and of those rejected."""

LOOKED_AT = 20
"""So many times as many are named: of those live, a tenth is of the test split, and some may be gone."""


class NoPanel(InvalidInput):
    """A run held out no photo, or none is there any more."""

    code = "no_panel"


@dataclass(frozen=True)
class Shown:
    """A photo that was read, uint8 (3, H, W), and whose it is."""

    source: SourcePhoto
    pixels: Tensor


def material_of(context: TrainerContext, run: TrainingRun, pair: Pair, progress: Callable[[str], None]) -> Material:
    """Read what a run's candidate is measured on. Raises UsageError or NoPanel where there is too little of it.

    Besides the panel: ``live``, catalogue images of now, of the test split like the panel's, and ``rejected``, photos
    whose renditions were, which a training may have seen.
    """
    read = _Reader(context, progress)
    with transaction(context.engine) as connection:
        known = styles_with_pictures(connection, None, pair.candidate.version.trunk_sha256)
        held_out = [photo for photo in agreed_photos(connection, run.id) if _is_unseen(photo)]
        live = [one for one in live_photos(connection, LOOKED_AT * LOOK_PHOTOS) if _is_unseen(one.photo)]
        rejected = rejected_photos(connection, LOOKED_AT * LOOK_PHOTOS)
    styles = {style.name: found for style in pair.styles if (found := read.images(known[style.name]))}
    require_images(pair, styles, "the store: `atelier retrain --pictures DIR` keeps them")
    by_merchant = stratified(held_out, len(held_out), lambda photo: photo.merchant_id)
    panel = list(islice(read.photos(by_merchant, PX), PANEL_PHOTOS))
    if not panel:
        raise NoPanel(f"none of the {len(held_out)} photos that the run held out can be read")
    look_photos = {
        name: list(read.look_photos(name, photos)) for name, photos in (("live", live), ("rejected", rejected))
    }
    return Material(
        styles=styles,
        panel=[(f"photo {number}", shown.pixels[None].float() / 255) for number, shown in enumerate(panel, 1)],
        px=PX,
        data_sha256=hashlib.sha256("".join([*(one.source.sha256 for one in panel), str(PX)]).encode()).hexdigest(),
        look_photos=look_photos,
        working_px=context.settings.working_px,
        merchants=sorted(read.merchants),
    )


def _is_unseen(photo: SourcePhoto) -> bool:
    return side_of(photo.sha256) == "test"


class _Reader:
    """Reads photos and pictures out of the store; what is gone, changed or no image is left out.

    ``merchants``: whose photos were read.
    """

    def __init__(self, context: TrainerContext, progress: Callable[[str], None]) -> None:
        self._workshop = context
        self._progress = progress
        self.merchants: set[int] = set()

    def photos(self, photos: Iterable[SourcePhoto], px: int) -> Iterator[Shown]:
        """Yield photos whose longer side is at most ``px``."""
        for photo in photos:
            self._progress(f"photo {photo.sha256}")
            with suppress(PhotoGone, ImageError):
                pixels = read_photo(self._workshop.store, photo, self._workshop.limits, px)
                self.merchants.add(photo.merchant_id)
                yield Shown(photo, _fitted(pixels, px))

    def look_photos(self, part: str, photos: Sequence[LookPhotoSource]) -> Iterator[LookPhoto]:
        """Yield photos with their looks, at most ``LOOK_PHOTOS``."""
        px = self._workshop.settings.working_px
        readable = ((shown.pixels, one.look) for one in photos for shown in self.photos([one.photo], px))
        for number, (pixels, look) in enumerate(islice(readable, LOOK_PHOTOS), 1):
            yield LookPhoto(f"{part} {number}", pixels.permute(1, 2, 0).numpy(), look)

    def images(self, style: StyleWithPictures) -> list[Tensor]:
        """Return what can be read of a style's pictures, uint8 (3, H, W)."""
        found = []
        self._progress(f"the pictures of {style.name}")
        for digest in style.pictures:
            with suppress(MissingObject, ImageError):
                data = self._workshop.store.get(picture_key(digest), max_bytes=self._workshop.limits.max_bytes)
                found.append(decoded(data, self._workshop.limits, STYLE_PX))
        return found


def _fitted(pixels: Tensor, px: int) -> Tensor:
    """Shrink uint8 (3, H, W) so that the longer side is at most ``px``."""
    height, width = pixels.shape[1:]
    factor = min(1.0, px / max(height, width))
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    small: Tensor = T.resize(pixels, size, antialias=True)
    return small
