"""What a slice of a training run needs before it can train: photos, styles, features, and where it starts from.

The first slice collects the photos and settles the config; later ones read the very same photos again, unless they
are still in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
import torch

from shared.database import transaction
from shared.errors import InvalidInput, MissingObject
from shared.model_versions import BUILT_IN, version_of
from shared.styles import learnt_rows
from shared.training import leases
from shared.training.drift import Population, compare, farthest, population
from shared.training.photos import LEAST_PHOTOS, data_hash, fresh_photos, own_photos, photos_of
from shared.training.pictures import Pictured, picture_key, pictured
from shared.training.quality import LEAST_BATCHES, quality_of_batches, reference_quality
from shared.training.runs import TrainingRun, get_run, reference_population
from workers.features import load_vgg
from workers.model.checkpoint import Checkpoint, trunk_from_bytes
from workers.model.config import StyleSource, TrainConfig
from workers.model.dataset import SHORT_PX, PhotoSet
from workers.model.fine_tuning import retraining_config
from workers.model.row_learning import nearest_row, suited
from workers.model.style_set import StyleSet, checked_style
from workers.model.training import TrainingData
from workers.model.vgg import Vgg
from workers.painter import fastest_precision
from workers.studio import verified_object
from workers.training_photos import Collected, PhotoGone, collect, decoded, read_again
from workers.workshop import Workshop

SPARE = 2
"""So many times as many photos as wanted are named, since some may be gone or no images."""


log = structlog.get_logger()


class NothingToLearn(InvalidInput):
    """The photos are what they were: a run that waits for drift has nothing to do."""

    code = "no_drift"


class TooFewPhotos(InvalidInput):
    """Too few photos were left when they were read."""

    code = "too_few_photos"


class PictureGone(InvalidInput):
    """A picture that a style is learnt from is no longer in the store."""

    code = "picture_gone"


@dataclass(frozen=True)
class Prepared:
    """All that a slice works with: the run as it stands now, its config, where it starts from, and the data."""

    run: TrainingRun
    config: TrainConfig
    start: Checkpoint
    data: TrainingData
    vgg: Vgg


def prepare(workshop: Workshop, run: TrainingRun) -> Prepared:
    """Make ready for a slice; the first collects. Raises NothingToLearn, TooFewPhotos, PhotoGone, PictureGone."""

    def progress() -> None:
        workshop.watchdog.progress(run.hold)
        with transaction(workshop.engine) as connection:
            leases.progress(connection, run, workshop.settings.lease_seconds, run.step)

    styles = _styles(workshop, run)
    start = _start(workshop, run, styles)
    if run.state == "collecting":
        return _begin(workshop, run, styles, start, progress)
    config = TrainConfig.from_json(run.config)
    vgg = features(workshop)
    if workshop.data is None or workshop.data_of != run.id:
        photos = _same_photos(workshop, run, config, progress)
        workshop.hold(run.id, TrainingData(photos, _style_set(workshop, styles, config, vgg)))
    assert workshop.data is not None
    return Prepared(run, config, start, workshop.data, vgg)


def _begin(
    workshop: Workshop, run: TrainingRun, styles: list[Pictured], start: Checkpoint, progress: Callable[[], None]
) -> Prepared:
    """Collect, see whether the photos have drifted if that is the question, and settle the config."""
    config = retraining_config(
        start,
        run.steps,
        run.depth,
        half=fastest_precision(workshop.device) == torch.bfloat16,
        overrides=run.config["overrides"],
        usual=BUILT_IN / "config.json",
    )
    found = _collect(workshop, run, _short_px(config), progress)
    _measure(workshop, run, found)
    vgg = features(workshop, found)
    photos = PhotoSet.of(found.pixels, data_hash=data_hash(found.merchants))
    data = workshop.hold(run.id, TrainingData(photos, _style_set(workshop, styles, config, vgg)))
    if run.depth == "style" and len(styles) == 1:
        config = suited(config, data, vgg)
    start = _with_nearest_rows(workshop, start, data, vgg)
    with transaction(workshop.engine) as connection:
        leases.collected(connection, run, found.merchants, config.to_json(), photos.data_hash)
        run = get_run(connection, run.id)
    return Prepared(run, config, start, data, vgg)


def _collect(workshop: Workshop, run: TrainingRun, short_px: int, progress: Callable[[], None]) -> Collected:
    most = int(run.config["photos"])
    if run.merchant_id is None:
        with transaction(workshop.engine) as connection:
            named = fresh_photos(connection, SPARE * most)
    else:
        named = own_photos(workshop.store, run.merchant_id, SPARE * most)
    found = collect(workshop.store, named, most, workshop.limits, short_px, progress)
    if len(found.merchants) < LEAST_PHOTOS:
        raise TooFewPhotos(
            f"{len(found.merchants)} photos could be read of {len(named)}, and at least {LEAST_PHOTOS} are needed"
        )
    return found


def _measure(workshop: Workshop, run: TrainingRun, found: Collected) -> None:
    """Record the populations of the photos and of what was painted lately.

    Raises NothingToLearn where drift is asked for and there is none of either.
    """
    with transaction(workshop.engine) as connection:
        reference, painted_before = reference_population(connection), reference_quality(connection)
        painted = quality_of_batches(connection) if run.merchant_id is None else []
        enough = len(painted) >= LEAST_BATCHES
        now = population(painted).to_json() if enough else None
        leases.measured(connection, run, population(found.figures).to_json(), now)
    if run.trigger != "drift":
        return
    if reference is None:
        raise NothingToLearn("these photos are the first that were measured: later ones are compared with them")
    shifts = compare(Population.from_json(reference), found.figures)
    if painted_before is not None and enough:
        shifts += compare(Population.from_json(painted_before), painted)
    if not any(shift.beyond for shift in shifts):
        raise NothingToLearn(f"no figure of photos or renditions has moved; the farthest is {farthest(shifts)}")
    log.info("drift_found", run=str(run.id), farthest=str(farthest(shifts)))


def _styles(workshop: Workshop, run: TrainingRun) -> list[Pictured]:
    """Return the styles of a run, in its order."""
    with transaction(workshop.engine) as connection:
        known = pictured(connection, run.merchant_id, run.start_trunk_sha256)
    by_id = {style.id: style for style in known.values()}
    return [by_id[one] for one in run.style_ids]


def _start(workshop: Workshop, run: TrainingRun, styles: list[Pictured]) -> Checkpoint:
    """Return the trunk that a run starts from, with all rows of it that the run may see."""
    with transaction(workshop.engine) as connection:
        version = version_of(connection, run.start_id)
        stored = learnt_rows(connection, run.merchant_id, version.trunk_sha256)
    trunk = verified_object(workshop.store, version.object_key, version.trunk_sha256)
    rows = {name: verified_object(workshop.store, row.object_key, row.sha256) for name, row in stored.items()}
    sources = tuple(StyleSource(one.name, "", one.title, one.artist, one.year, one.licence) for one in styles)
    return Checkpoint(trunk_from_bytes(trunk).architecture, trunk, rows, sources)


def _with_nearest_rows(workshop: Workshop, start: Checkpoint, data: TrainingData, vgg: Vgg) -> Checkpoint:
    """Let styles without a row begin from the row that comes nearest to them."""
    generator = trunk_from_bytes(start.trunk).to(workshop.device)
    rows = dict(start.rows)
    for index, style in enumerate(start.styles):
        if style.name not in rows:
            alone = TrainingData(data.photos, data.styles.only(index))
            rows[style.name] = start.rows[nearest_row(generator, start.rows, alone, vgg)]
    return replace(start, rows=rows)


def _style_set(workshop: Workshop, styles: list[Pictured], config: TrainConfig, vgg: Vgg) -> StyleSet:
    """Read the pictures of styles out of the store, and measure them."""
    images, hashes = [], {}
    for style in styles:
        files = [_picture(workshop, style.name, digest) for digest in style.pictures]
        images.append(
            tuple(checked_style(decoded(data, workshop.limits, config.style_px), style.name) for data in files)
        )
        hashes[style.name] = hashlib.sha256(b"".join(files)).hexdigest()
    return StyleSet.of(tuple(images), hashes, vgg, workshop.device)


def _picture(workshop: Workshop, style: str, sha256: str) -> bytes:
    try:
        return workshop.store.get(picture_key(sha256), max_bytes=workshop.limits.max_bytes)
    except MissingObject as error:
        raise PictureGone(f"a picture of {style} is gone from the store: give it anew, by --pictures") from error


def _same_photos(workshop: Workshop, run: TrainingRun, config: TrainConfig, progress: Callable[[], None]) -> PhotoSet:
    """Read the photos that the run began with. Raises PhotoGone where one is missing, as when a merchant has left."""
    with transaction(workshop.engine) as connection:
        named = photos_of(connection, run.id)
    digest = data_hash(photo.sha256 for photo in named)
    if digest != run.data_sha256:
        raise PhotoGone("photos that the run began with were withdrawn: queue another run")
    pixels = read_again(workshop.store, named, workshop.limits, _short_px(config), progress)
    return PhotoSet.of(pixels, data_hash=digest)


def _short_px(config: TrainConfig) -> int:
    return max(SHORT_PX, *(stage.crop_px for stage in config.stages))


def features(workshop: Workshop, found: Collected | None = None) -> Vgg:
    """Return the VGG-19 features, read once for a process."""
    if workshop.vgg is None:

        def photos() -> PhotoSet:
            return PhotoSet.of(found.pixels if found else {}, data_hash="")

        vgg = load_vgg(None, workshop.settings, photos, lambda _: None).to(workshop.device)
        workshop.vgg = vgg.to(memory_format=torch.channels_last)
    return workshop.vgg
