"""Adding a style, as ``atelier styles add`` does it: its row is learnt on the champion's trunk and stored.

champion's trunk and rows (verified) → photos → nearest row → learn → object → style and row, one transaction

Until the last step nothing is written that anybody sees, so an interruption or error leaves all as it was.
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

from shared.database import transaction
from shared.errors import ImageError, MissingObject, UsageError
from shared.model_versions import NewStyle, champion, install_style
from shared.scope import styles_scope
from shared.session import Session
from shared.store import ObjectStore
from shared.styles import StyleRow, check_style_name, learnt_rows, require_free
from shared.training.pictures import keep_pictures, pictured, put_pictures
from workers.features import load_vgg
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.lesson import Lesson
from workers.model.checkpoint import Checkpoint, trunk_from_bytes
from workers.model.config import StyleSource
from workers.model.dataset import SHORT_PX, SMALLEST_SET, PhotoSet
from workers.model.row_learning import LearntRow, learn_row, row_config, suited
from workers.model.row_search import Trial, search_row, search_table
from workers.model.style_set import StyleSet
from workers.model.training import Progress, TrainingData, describe
from workers.painter import choose_device, fastest_precision
from workers.studio import verified_object

MOST_PHOTOS = 150
"""A row is learnt from some hundred crops; more photos only take time to read."""

REPORT_EVERY = 10


@dataclass(frozen=True)
class Learnt:
    """A style that was added: its stored row, and how the learning (and a search, if any) went."""

    row: StyleRow
    learning: LearntRow
    photos: int
    trials: list[Trial]


def learn_style(session: Session, lesson: Lesson, tell: Callable[[str], None]) -> Learnt:
    """Learn a style's row for the champion and store it.

    Raises Conflict if the name is taken, UsageError or UnreadableImage for what is missing or does not serve,
    Diverged if it was not learnt; then nothing has changed.
    """
    style = lesson.style
    check_style_name(style.name)
    with styles_scope(session.engine, lesson.merchant) as (connection, merchant):
        if not lesson.relearns:
            require_free(connection, style.name, merchant)
        version = champion(connection)
        stored = learnt_rows(connection, merchant, version.trunk_sha256)
    device = choose_device(session.settings.device)
    trunk = verified_object(session.store, version.object_key, version.trunk_sha256)
    rows = {name: verified_object(session.store, row.object_key, row.sha256) for name, row in stored.items()}

    def practice() -> PhotoSet:
        with _practice(session, lesson, merchant) as folders:
            return PhotoSet.load(folders, SHORT_PX, most=MOST_PHOTOS)

    vgg = load_vgg(lesson.vgg, session.settings, practice, tell).to(device)
    source = StyleSource(style.name, "", style.title, style.artist, style.year, style.licence)
    known = Checkpoint(trunk_from_bytes(trunk).architecture, trunk, rows, ())
    config = row_config(source, known.architecture, lesson.steps, half=fastest_precision(device) == torch.bfloat16)
    # The images before the photos: what is wrong with them is told at once.
    styles = StyleSet.of_files({style.name: lesson.images}, config.style_px, vgg, device)
    data = TrainingData(practice(), styles)
    config = suited(config, data, vgg)
    photos = len(data.photos.train)
    tell(f"learning {style.name} from {len(lesson.images)} pictures and {photos} photos on {device}")

    def report(progress: Progress) -> None:
        if progress.step % REPORT_EVERY == 0:
            tell(describe(progress))

    trials: list[Trial] = []
    if lesson.search:
        learning, trials = search_row(config, known, data, vgg, trials=lesson.search, report=report)
        for line in search_table(trials):
            tell(line)
    else:
        learning = learn_row(config, known, data, vgg, device=device, report=report)
    new = NewStyle(style, version.trunk_sha256, learning.row, merchant, renews=lesson.relearns)
    row = install_style(session.engine, session.store, new, what="styles add")
    _keep_pictures(session, lesson, merchant, version.trunk_sha256)
    return Learnt(row, learning, photos, trials)


def _keep_pictures(session: Session, lesson: Lesson, merchant: int | None, trunk_sha256: str) -> None:
    """Keep what a style was learnt from, so that it can be learnt for another trunk, too."""
    hashes = put_pictures(session.store, lesson.images)
    with transaction(session.engine) as connection:
        style = pictured(connection, merchant, trunk_sha256)[lesson.style.name]
        keep_pictures(connection, style.id, hashes)


@contextmanager
def _practice(session: Session, lesson: Lesson, merchant: int | None) -> Iterator[list[Path]]:
    """Folders with the photos to learn on: those named, or the merchant's own pictures out of the store."""
    if lesson.photos:
        yield lesson.photos
        return
    if merchant is None:
        raise UsageError("a public style needs photos to practise on: name a folder with --photos")
    limits = Limits(session.settings.max_image_mib * 2**20, round(session.settings.max_megapixels * 1e6))
    with TemporaryDirectory(prefix="atelier-") as folder:
        found = write_sources(session.store, merchant, limits, Path(folder))
        if found < SMALLEST_SET:
            raise UsageError(
                f"{found} pictures of merchant {lesson.merchant} are in the store and at least {SMALLEST_SET} are "
                "needed to practise on: name a folder of photos with --photos"
            )
        yield [Path(folder)]


def write_sources(store: ObjectStore, merchant: int, limits: Limits, folder: Path) -> int:
    """Write a merchant's stored sources into a folder, at most ``MOST_PHOTOS``; return how many.

    They are hostile like any source and decoded within the limits; what cannot be decoded is left out.
    Their keys are hashes, so that the first ones are a fair sample.
    """
    found = 0
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
        found += 1
        if found == MOST_PHOTOS:
            break
    return found
