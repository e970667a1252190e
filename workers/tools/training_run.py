"""Train from files, for ``atelier train``, resumably and without any service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial

import torch

from shared.errors import UsageError
from shared.settings import Settings
from workers.model.checkpoint import Checkpoint
from workers.model.config import TrainConfig
from workers.model.dataset import SHORT_PX, PhotoSet
from workers.model.learning import parallel
from workers.model.learning.curves import draw_curves
from workers.model.learning.events import open_events
from workers.model.learning.run import Run
from workers.model.learning.style_set import StyleSet
from workers.model.learning.training import Progress, TrainingData, describe, forget_after, read_log, train
from workers.runtime.painter import choose_device
from workers.tools.training_files import TrainingFiles
from workers.training.features import MOST_PHOTOS, load_vgg

REPORT_EVERY = 20


def train_from_files(
    files: TrainingFiles, settings: Settings, deadline_seconds: float, tell: Callable[[str], None]
) -> tuple[int, int, bool]:
    """Train, or continue an interrupted run, for at most ``deadline_seconds``.

    Returns the steps done, the steps of the whole run, and whether it is finished; the checkpoint is
    then in ``files.out / "checkpoint"``. Each validation is added to ``log.jsonl``, ``curves.png`` and
    TensorBoard's ``events/`` there. Raises UsageError if something is missing or does not fit, and the
    errors of ``load_vgg``.
    """
    device = choose_device(settings.device)
    parallel.join(device)
    config = TrainConfig.load(files.config)
    few = partial(PhotoSet.load, files.photos, SHORT_PX, most=MOST_PHOTOS)
    vgg = load_vgg(files.vgg, settings, few, tell).to(device)
    vgg.to(memory_format=torch.channels_last)
    run = Run(config, Checkpoint.load(files.start) if files.start else None, device)
    photos = PhotoSet.load(files.photos, short_px=max(SHORT_PX, *(stage.crop_px for stage in config.stages)))
    data = TrainingData(photos, StyleSet.load(config, files.styles, vgg, device))
    try:
        files.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to --out {files.out}: {error.strerror}") from error
    state = files.out / "state.safetensors"
    if state.exists():
        run.restore(state)
        forget_after(files.out / "log.jsonl", run.step)
        tell(f"resuming at step {run.step}")
    run.draw_apart(parallel.rank())

    def report(progress: Progress) -> None:
        if progress.step % REPORT_EVERY == 0 and parallel.leads():
            tell(describe(progress))
        if progress.logged is not None:
            write_event(progress.logged)
            unfinished = files.out / "curves.partial"
            draw_curves(read_log(files.out), run.best_step).save(unfinished, "PNG")
            unfinished.replace(files.out / "curves.png")  # readers always see a complete picture

    # Only the leading process writes validations.
    events = open_events(files.out / "events", run.step, tell) if parallel.leads() else nullcontext(_ignore)
    try:
        with events as write_event:
            done = train(run, data, vgg, files.out, report=report, deadline_seconds=deadline_seconds)
    finally:
        parallel.leave()
    return run.step, config.steps, done is not None


def _ignore(entry: Mapping[str, float]) -> None:
    pass
