"""What a trainer compares versions on: photos that a run held out, and the kept pictures of styles; in memory alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torchvision.transforms.v2 import functional as T

from shared.database import transaction
from shared.errors import ImageError, InvalidInput, MissingObject
from shared.training.photos import SourcePhoto, agreed_photos
from shared.training.pictures import Pictured, picture_key, pictured
from shared.training.runs import TrainingRun
from workers.model.dataset import side_of
from workers.model.evaluation import STYLE_PX
from workers.model.panel import PANEL_PHOTOS, stratified
from workers.training_photos import PhotoGone, decoded, read_photo
from workers.verdict_run import Material, Pair, require_images
from workers.workshop import Workshop

PX = 384
"""Long side of the photos."""


class NoPanel(InvalidInput):
    """A run held out no photo, or none is there any more."""

    code = "no_panel"


@dataclass(frozen=True)
class Shown:
    """A photo that was read: whose it is, and float (1, 3, H, W) in [0, 1], the longer side at most ``PX``."""

    source: SourcePhoto
    pixels: Tensor


def material_of(workshop: Workshop, run: TrainingRun, pair: Pair, progress: Callable[[str], None]) -> Material:
    """Read what a run's candidate is measured on. Raises UsageError or NoPanel where there is too little of it."""
    with transaction(workshop.engine) as connection:
        known = pictured(connection, None, pair.candidate.version.trunk_sha256)
        held_out = [photo for photo in agreed_photos(connection, run.id) if side_of(photo.sha256) == "test"]
    styles = {}
    for style in pair.styles:
        progress(f"the pictures of {style.name}")
        if found := _images(workshop, known[style.name]):
            styles[style.name] = found
    require_images(pair, styles, "the store: `atelier retrain --pictures DIR` keeps them")
    panel = _read(workshop, _dealt(held_out), PANEL_PHOTOS, progress)
    if not panel:
        raise NoPanel(f"none of the {len(held_out)} photos that the run held out can be read")
    return Material(
        styles=styles,
        panel=[(f"photo {number}", shown.pixels) for number, shown in enumerate(panel, 1)],
        px=PX,
        data_sha256=hashlib.sha256("".join([*(one.source.sha256 for one in panel), str(PX)]).encode()).hexdigest(),
        merchants=sorted({shown.source.merchant_id for shown in panel}),
    )


def _images(workshop: Workshop, style: Pictured) -> list[Tensor]:
    """Return what can be read of a style's pictures."""
    found = []
    for digest in style.pictures:
        try:
            data = workshop.store.get(picture_key(digest), max_bytes=workshop.limits.max_bytes)
            found.append(decoded(data, workshop.limits, STYLE_PX))
        except (MissingObject, ImageError):
            continue
    return found


def _dealt(photos: Sequence[SourcePhoto]) -> list[SourcePhoto]:
    """All photos, from each merchant in turn."""
    return stratified(photos, len(photos), lambda photo: photo.merchant_id)


def _read(workshop: Workshop, photos: Iterable[SourcePhoto], most: int, progress: Callable[[str], None]) -> list[Shown]:
    """Read photos until there are ``most``; what is gone, changed or no image is left out."""
    found: list[Shown] = []
    for photo in photos:
        if len(found) == most:
            break
        progress(f"photo {photo.sha256}")
        try:
            pixels = read_photo(workshop.store, photo, workshop.limits, PX)
        except (PhotoGone, ImageError):
            continue
        found.append(Shown(photo, _fitted(pixels)))
    return found


def _fitted(pixels: Tensor) -> Tensor:
    """uint8 (3, H, W) → float (1, 3, H, W) in [0, 1], the longer side at most ``PX``."""
    height, width = pixels.shape[1:]
    factor = min(1.0, PX / max(height, width))
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    small: Tensor = T.resize(pixels, size, antialias=True)
    return small[None].float() / 255
