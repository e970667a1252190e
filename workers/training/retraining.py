"""Work on a training run, slice by slice.

claim → (first slice: collect photos) → data in memory → restore → train until the slice is over → save and release
→ … → install what was learnt → compare the candidate, promote it if the run's rule allows it, and end the run

A slice ends by time, by the end of the process, or by a kill. The next one starts from the last saved state and
takes exactly the same steps (bit for bit on a CPU), so that no step counts twice. A cancelled run loses its lease,
which is noticed at the next step.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

import structlog
import torch

from shared.database import transaction
from shared.errors import AtelierError, DatabaseUnavailable, DeviceLost, LeaseLost, Unavailable
from shared.models.training import leases
from shared.models.training.runs import RunState, TrainingRun, is_over
from shared.models.training.tick import publish_due
from workers.model.learning.training import Progress, train, validate
from workers.training.comparing import compare_candidate
from workers.training.context import SliceOver, TrainerContext
from workers.training.features import FeaturesUnavailable
from workers.training.learnt import install
from workers.training.preparation import NothingToLearn, prepare
from workers.training.state import remove_all, resumed, save

RENEW_SECONDS = 1.0
"""How often progress is recorded, and a cancellation noticed."""

WAIT_SECONDS = 30.0
"""Delay before a run that a service or a bug stopped is tried again."""

log = structlog.get_logger()


def train_slice(context: TrainerContext, run_id: UUID) -> None:
    """Work on a run for one slice. Drops the message if the run cannot be claimed."""
    with transaction(context.engine) as connection:
        run = leases.claim(connection, run_id, context.settings.lease_seconds)
    if run is None:
        return
    with context.watchdog.watching(run.lease_key):
        _contained(context, run)
    try:
        _tidy(context, run)
        publish_due(context.engine, context.broker)
    except Unavailable as error:  # the sweep publishes later, and leftover objects are pruned
        log.warning("training_left_untidy", run=str(run.id), error=str(error))


def _tidy(context: TrainerContext, run: TrainingRun) -> None:
    """Clean up after a run that is over, however it ended. A merchant's erasure may also have removed its row."""
    with transaction(context.engine) as connection:
        over = is_over(connection, run.id)
    if over:
        context.drop_data()
        remove_all(context, run)


def _contained(context: TrainerContext, run: TrainingRun) -> None:
    """Work on a run, and record the error that ends it. If the lease is lost, another trainer records."""
    try:
        try:
            _work(context, run)
        except torch.AcceleratorError as error:
            raise DeviceLost(f"{context.device} failed, and this process can no longer use it: {error}") from error
        except NothingToLearn as error:
            _end(context, run, RunState.CANCELLED, error)
        except FeaturesUnavailable as error:  # a retry would not find them either
            _end(context, run, RunState.FAILED, error)
        except (LeaseLost, Unavailable):
            raise
        except AtelierError as error:
            _end(context, run, RunState.FAILED, error)
        except Exception as error:  # a bug, or too little memory: the run is retried a few times
            log.exception("training_slice_crashed", run=str(run.id))
            _release(context, run, f"{type(error).__name__}: {error}", counts=True)
    except LeaseLost as error:
        log.info("training_run_lost", run=str(run.id), error=str(error))
    except Unavailable as error:
        log.warning("training_run_waits", run=str(run.id), error=str(error))
        with suppress(LeaseLost, DatabaseUnavailable):  # then the lease expires
            _release(context, run, str(error), counts=False)
        if isinstance(error, DeviceLost):
            context.device_lost.set()
            context.draining.set()


def _work(context: TrainerContext, run: TrainingRun) -> None:
    """Train for a slice. When the steps are done, compare the result with the champion."""
    if run.state != RunState.COMPARING:
        run = _learn(context, run)
    if run.state == RunState.COMPARING:
        try:
            compare_candidate(context, run)
        except SliceOver:
            with transaction(context.engine) as connection:
                leases.release(connection, run, None, 0)


def _learn(context: TrainerContext, run: TrainingRun) -> TrainingRun:
    """Collect, train for a slice, and install the result when the steps are done; return the run's new state."""
    prepared = prepare(context, run)
    run = prepared.run
    with resumed(context, prepared) as (learner, folder):
        if learner.step == 0:
            errors = validate(learner, prepared.data, prepared.vgg)
            first = {"step": 0} | {name: round(value, 5) for name, value in errors.items()}
            (folder / "log.jsonl").write_text(json.dumps(first) + "\n")
            _note(context, run, 0, first)
        try:
            checkpoint = train(learner, prepared.data, prepared.vgg, folder, report=_Pace(context, run).report)
        except SliceOver:
            save(context, run, learner, folder)
            return run
        assert checkpoint is not None  # no deadline was set
        return install(context, run, learner.step, checkpoint)


class _Pace:
    """Report each step to database and watchdog, and end the slice when its time is over or the process stops."""

    def __init__(self, context: TrainerContext, run: TrainingRun) -> None:
        self._context = context
        self._run = run
        self._noted = -math.inf
        self._until = time.monotonic() + 60 * context.settings.train_slice_minutes

    def report(self, progress: Progress) -> None:
        """Record progress. Raises SliceOver to save and continue later, or LeaseLost to stop at once."""
        now = time.monotonic()
        self._context.watchdog.progress(self._run.lease_key)
        if progress.logged is not None or now - self._noted > RENEW_SECONDS:
            _note(self._context, self._run, progress.step, progress.logged)
            self._noted = now
        if progress.step < progress.steps and (now >= self._until or self._context.draining.is_set()):
            raise SliceOver


def _note(context: TrainerContext, run: TrainingRun, step: int, logged: Mapping[str, float] | None = None) -> None:
    with transaction(context.engine) as connection:
        leases.progress(connection, run, context.settings.lease_seconds, step, logged)


def _end(context: TrainerContext, run: TrainingRun, state: RunState, error: AtelierError) -> None:
    with transaction(context.engine) as connection:
        leases.end(connection, run, state, error.code, str(error))
    log.warning("training_run_ended", run=str(run.id), state=state, code=error.code, error=str(error))


def _release(context: TrainerContext, run: TrainingRun, message: str, *, counts: bool) -> None:
    with transaction(context.engine) as connection:
        leases.release(connection, run, message, WAIT_SECONDS, counts=counts)
