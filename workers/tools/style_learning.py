"""Add a style, for ``atelier styles add``: learn its vector on the champion's trunk, and store it.

champion's trunk and vectors (verified) → photos → nearest vector → learn → object → style and vector, one transaction

Nothing visible is written before the last step, so an interruption or error changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from shared.context import Session
from shared.database import transaction
from shared.errors import ImageError, MissingObject, UsageError
from shared.merchants.actors import owning
from shared.models.styles import StyleRow, check_style_name, learnt_rows, require_free
from shared.models.training.pictures import keep_pictures, put_pictures, styles_with_pictures
from shared.models.versions import NewStyle, champion, install_style
from shared.store import ObjectStore
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.model.checkpoint import Checkpoint, trunk_from_bytes
from workers.model.config import StyleSource
from workers.model.dataset import SHORT_PX, SMALLEST_SET, PhotoSet
from workers.model.learning.row_learning import LearntRow, learn_row, row_config, suited
from workers.model.learning.row_search import Trial, search_row, search_table
from workers.model.learning.style_set import StyleSet
from workers.model.learning.training import Progress, TrainingData, describe
from workers.runtime.painter import choose_device, fastest_precision
from workers.styling.context import verified_object
from workers.tools.style_request import StyleRequest
from workers.training.features import load_vgg

MOST_PHOTOS = 150
"""A vector is learnt from some hundred crops; more photos only take time to read."""

REPORT_EVERY = 10


@dataclass(frozen=True)
class Learnt:
    """Added style: its stored vector, and the result of learning and of the search, if any."""

    row: StyleRow
    learning: LearntRow
    photos: int
    trials: list[Trial]


def learn_style(session: Session, request: StyleRequest, tell: Callable[[str], None]) -> Learnt:
    """Learn a style's vector for the champion and store it.

    Raises Conflict if the name is taken, UsageError or UnreadableImage if something is missing or unsuitable,
    Diverged if learning failed; then nothing changes.
    """
    style = request.style
    check_style_name(style.name)
    with owning(session.engine, request.actor) as (connection, merchant):
        if not request.relearns:
            require_free(connection, style.name, merchant)
        version = champion(connection)
        stored = learnt_rows(connection, merchant, version.trunk_sha256)
    device = choose_device(session.settings.device)
    trunk = verified_object(session.store, version.object_key, version.trunk_sha256)
    rows = {name: verified_object(session.store, row.object_key, row.sha256) for name, row in stored.items()}

    def load_photos() -> PhotoSet:
        with _practice(session, request, merchant) as folders:
            return PhotoSet.load(folders, SHORT_PX, most=MOST_PHOTOS)

    vgg = load_vgg(request.vgg, session.settings, load_photos, tell).to(device)
    source = StyleSource(style.name, "", style.title, style.artist, style.year, style.licence)
    known = Checkpoint(trunk_from_bytes(trunk).architecture, trunk, rows, ())
    config = row_config(source, known.architecture, request.steps, half=fastest_precision(device) == torch.bfloat16)
    # Read the images before the photos, so that a problem with them is reported at once.
    styles = StyleSet.of_files({style.name: request.images}, config.style_px, vgg, device)
    data = TrainingData(load_photos(), styles)
    config = suited(config, data, vgg)
    photos = len(data.photos.train)
    tell(f"learning {style.name} from {len(request.images)} pictures and {photos} photos on {device}")

    def report(progress: Progress) -> None:
        if progress.step % REPORT_EVERY == 0:
            tell(describe(progress))

    trials: list[Trial] = []
    if request.search:
        learning, trials = search_row(config, known, data, vgg, trials=request.search, report=report)
        for line in search_table(trials):
            tell(line)
    else:
        learning = learn_row(config, known, data, vgg, device=device, report=report)
    new = NewStyle(style, version.trunk_sha256, learning.row, merchant, renews=request.relearns)
    row = install_style(session.engine, session.store, request.actor, new, what="styles add")
    _keep_pictures(session, request, merchant, version.trunk_sha256)
    return Learnt(row, learning, photos, trials)


def _keep_pictures(session: Session, request: StyleRequest, merchant: int | None, trunk_sha256: str) -> None:
    """Store the pictures that a style was learnt from, so that it can be learnt for another trunk, too."""
    hashes = put_pictures(session.store, request.images)
    with transaction(session.engine) as connection:
        style = styles_with_pictures(connection, merchant, trunk_sha256)[request.style.name]
        keep_pictures(connection, style.id, hashes)


@contextmanager
def _practice(session: Session, request: StyleRequest, merchant: int | None) -> Iterator[list[Path]]:
    """Yield the folders of training photos: those given, or the merchant's own pictures from the store."""
    if request.photos:
        yield request.photos
        return
    if merchant is None:
        raise UsageError("a public style needs training photos: give a folder with --photos")
    limits = Limits(session.settings.max_image_mib * 2**20, round(session.settings.max_megapixels * 1e6))
    with TemporaryDirectory(prefix="atelier-") as folder:
        count = write_sources(session.store, merchant, limits, Path(folder))
        if count < SMALLEST_SET:
            raise UsageError(
                f"the store has {count} pictures of merchant {request.actor.merchant}; training needs at least "
                f"{SMALLEST_SET}: give a folder of photos with --photos"
            )
        yield [Path(folder)]


def write_sources(store: ObjectStore, merchant: int, limits: Limits, folder: Path) -> int:
    """Write a merchant's stored sources into a folder, at most ``MOST_PHOTOS``; return how many.

    They are untrusted like any source and decoded within the limits; undecodable ones are left out.
    Their keys are hashes, so the first ones are a fair sample.
    """
    count = 0
    for info in store.list(f"sources/{merchant}/"):
        try:
            data = store.get(info.key, max_bytes=limits.max_bytes)
            photo = decode(data, limits)
        except (ImageError, MissingObject):
            continue
        image = Image.fromarray(photo.rgb)
        factor = SHORT_PX / min(image.size)
        if factor < 1:
            image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
        image.save(folder / f"{hashlib.sha256(data).hexdigest()}.png", compress_level=1)
        count += 1
        if count == MOST_PHOTOS:
            break
    return count
