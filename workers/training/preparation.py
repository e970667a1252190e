"""Prepare a slice of a training run: photos, styles, features, and the checkpoint to start from.

The first slice collects the photos and completes the config. Later ones read exactly the same photos again, unless
they are still in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
import torch

from shared.database import transaction
from shared.errors import InvalidInput, MissingObject
from shared.models.styles import learnt_rows
from shared.models.training import leases
from shared.models.training.drift import Population, compare, farthest, population
from shared.models.training.photos import LEAST_PHOTOS, data_hash, fresh_photos, own_photos, photos_of
from shared.models.training.pictures import StyleWithPictures, picture_key, styles_with_pictures
from shared.models.training.quality import LEAST_BATCHES, quality_of_batches, reference_quality
from shared.models.training.requests import Depth, Trigger
from shared.models.training.runs import RunState, TrainingRun, get_run, reference_population
from shared.models.versions import BUILT_IN, version_of
from workers.model.checkpoint import Checkpoint, trunk_from_bytes
from workers.model.config import StyleSource, TrainConfig
from workers.model.dataset import SHORT_PX, PhotoSet
from workers.model.learning.fine_tuning import retraining_config
from workers.model.learning.row_learning import nearest_row, suited
from workers.model.learning.style_set import StyleSet, checked_style
from workers.model.learning.training import TrainingData
from workers.model.vgg import Vgg
from workers.runtime.painter import fastest_precision
from workers.styling.context import verified_object
from workers.training.context import TrainerContext
from workers.training.features import load_vgg
from workers.training.photos import Collected, PhotoGone, collect, decoded, read_again

SPARE = 2
"""Named photos per wanted photo, since some may be missing or undecodable."""


log = structlog.get_logger()


class NothingToLearn(InvalidInput):
    """The photos have not changed, so a run that waits for drift has nothing to learn."""

    code = "no_drift"


class TooFewPhotos(InvalidInput):
    """Too few photos were readable."""

    code = "too_few_photos"


class PictureGone(InvalidInput):
    """A picture that a style is learnt from is missing in the store."""

    code = "picture_gone"


@dataclass(frozen=True)
class SliceInput:
    """Input of a slice: the current run, its config, the starting checkpoint, and the data."""

    run: TrainingRun
    config: TrainConfig
    start: Checkpoint
    data: TrainingData
    vgg: Vgg


def prepare(context: TrainerContext, run: TrainingRun) -> SliceInput:
    """Prepare a slice; the first one collects photos. Raises NothingToLearn, TooFewPhotos, PhotoGone, PictureGone."""

    def progress() -> None:
        context.watchdog.progress(run.lease_key)
        with transaction(context.engine) as connection:
            leases.progress(connection, run, context.settings.lease_seconds, run.step)

    styles = _styles(context, run)
    start = _start(context, run, styles)
    if run.state == RunState.COLLECTING:
        return _begin(context, run, styles, start, progress)
    config = TrainConfig.from_json(run.config)
    vgg = features(context)
    if context.data is None or context.data_of != run.id:
        photos = _same_photos(context, run, config, progress)
        context.keep_data(run.id, TrainingData(photos, _style_set(context, styles, config, vgg)))
    assert context.data is not None
    return SliceInput(run, config, start, context.data, vgg)


def _begin(
    context: TrainerContext,
    run: TrainingRun,
    styles: list[StyleWithPictures],
    start: Checkpoint,
    progress: Callable[[], None],
) -> SliceInput:
    """Collect photos, check them for drift if the run requires it, and complete the config."""
    config = retraining_config(
        start,
        run.steps,
        run.depth,
        half=fastest_precision(context.device) == torch.bfloat16,
        overrides=run.config["overrides"],
        usual=BUILT_IN / "config.json",
    )
    collected = _collect(context, run, _short_px(config), progress)
    _measure(context, run, collected)
    vgg = features(context, collected)
    photos = PhotoSet.of(collected.pixels, data_hash=data_hash(collected.merchants))
    data = context.keep_data(run.id, TrainingData(photos, _style_set(context, styles, config, vgg)))
    if run.depth == Depth.STYLE and len(styles) == 1:
        config = suited(config, data, vgg)
    start = _with_nearest_rows(context, start, data, vgg)
    with transaction(context.engine) as connection:
        leases.record_photos(connection, run, collected.merchants, config.to_json(), photos.data_hash)
        run = get_run(connection, run.id)
    return SliceInput(run, config, start, data, vgg)


def _collect(context: TrainerContext, run: TrainingRun, short_px: int, progress: Callable[[], None]) -> Collected:
    most = int(run.config["photos"])
    if run.merchant_id is None:
        with transaction(context.engine) as connection:
            named = fresh_photos(connection, SPARE * most)
    else:
        named = own_photos(context.store, run.merchant_id, SPARE * most)
    collected = collect(context.store, named, most, context.limits, short_px, progress)
    if len(collected.merchants) < LEAST_PHOTOS:
        raise TooFewPhotos(
            f"only {len(collected.merchants)} of {len(named)} photos could be read; at least {LEAST_PHOTOS} are needed"
        )
    return collected


def _measure(context: TrainerContext, run: TrainingRun, collected: Collected) -> None:
    """Record the populations of the photos and of recent renditions.

    Raises NothingToLearn if the run requires drift and neither has any.
    """
    with transaction(context.engine) as connection:
        reference, painted_before = reference_population(connection), reference_quality(connection)
        painted = quality_of_batches(connection) if run.merchant_id is None else []
        enough = len(painted) >= LEAST_BATCHES
        now = population(painted).to_json() if enough else None
        leases.record_figures(connection, run, population(collected.figures).to_json(), now)
    if run.trigger != Trigger.DRIFT:
        return
    if reference is None:
        raise NothingToLearn("these are the first measured photos: later ones will be compared with them")
    shifts = compare(Population.from_json(reference), collected.figures)
    if painted_before is not None and enough:
        shifts += compare(Population.from_json(painted_before), painted)
    if not any(shift.beyond for shift in shifts):
        raise NothingToLearn(f"no figure of photos or renditions has drifted; the largest change is {farthest(shifts)}")
    log.info("drift_found", run=str(run.id), farthest=str(farthest(shifts)))


def _styles(context: TrainerContext, run: TrainingRun) -> list[StyleWithPictures]:
    """Return the styles of a run, in its order."""
    with transaction(context.engine) as connection:
        known = styles_with_pictures(connection, run.merchant_id, run.start_trunk_sha256)
    by_id = {style.id: style for style in known.values()}
    return [by_id[style_id] for style_id in run.style_ids]


def _start(context: TrainerContext, run: TrainingRun, styles: list[StyleWithPictures]) -> Checkpoint:
    """Return the trunk that a run starts from, with all its vectors that the run may see."""
    with transaction(context.engine) as connection:
        version = version_of(connection, run.start_id)
        stored = learnt_rows(connection, run.merchant_id, version.trunk_sha256)
    trunk = verified_object(context.store, version.object_key, version.trunk_sha256)
    rows = {name: verified_object(context.store, row.object_key, row.sha256) for name, row in stored.items()}
    sources = tuple(
        StyleSource(style.name, "", style.title, style.artist, style.year, style.licence) for style in styles
    )
    return Checkpoint(trunk_from_bytes(trunk).architecture, trunk, rows, sources)


def _with_nearest_rows(context: TrainerContext, start: Checkpoint, data: TrainingData, vgg: Vgg) -> Checkpoint:
    """Initialise styles without a vector from their nearest vector."""
    generator = trunk_from_bytes(start.trunk).to(context.device)
    rows = dict(start.rows)
    for index, style in enumerate(start.styles):
        if style.name not in rows:
            alone = TrainingData(data.photos, data.styles.only(index))
            rows[style.name] = start.rows[nearest_row(generator, start.rows, alone, vgg)]
    return replace(start, rows=rows)


def _style_set(context: TrainerContext, styles: list[StyleWithPictures], config: TrainConfig, vgg: Vgg) -> StyleSet:
    """Read the pictures of styles from the store, and measure them."""
    images, hashes = [], {}
    for style in styles:
        files = [_picture(context, style.name, digest) for digest in style.pictures]
        images.append(
            tuple(checked_style(decoded(data, context.limits, config.style_px), style.name) for data in files)
        )
        hashes[style.name] = hashlib.sha256(b"".join(files)).hexdigest()
    return StyleSet.of(tuple(images), hashes, vgg, context.device)


def _picture(context: TrainerContext, style: str, sha256: str) -> bytes:
    try:
        return context.store.get(picture_key(sha256), max_bytes=context.limits.max_bytes)
    except MissingObject as error:
        raise PictureGone(f"a picture of {style} is missing in the store: give it again with --pictures") from error


def _same_photos(
    context: TrainerContext, run: TrainingRun, config: TrainConfig, progress: Callable[[], None]
) -> PhotoSet:
    """Read the photos that the run began with. Raises PhotoGone if one is missing, as after an erasure."""
    with transaction(context.engine) as connection:
        named = photos_of(connection, run.id)
    digest = data_hash(photo.sha256 for photo in named)
    if digest != run.data_sha256:
        raise PhotoGone("photos that the run began with were withdrawn: queue another run")
    pixels = read_again(context.store, named, context.limits, _short_px(config), progress)
    return PhotoSet.of(pixels, data_hash=digest)


def _short_px(config: TrainConfig) -> int:
    return max(SHORT_PX, *(stage.crop_px for stage in config.stages))


def features(context: TrainerContext, collected: Collected | None = None) -> Vgg:
    """Return the VGG-19 features, read once per process."""
    if context.vgg is None:

        def photos() -> PhotoSet:
            return PhotoSet.of(collected.pixels if collected else {}, data_hash="")

        vgg = load_vgg(None, context.settings, photos, lambda _: None).to(context.device)
        context.vgg = vgg.to(memory_format=torch.channels_last)
    return context.vgg
