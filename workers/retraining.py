"""Retraining, slice by slice: what becomes of a training run that a trainer was told of.

claim → (first slice: collect photos) → data in memory → restore → train until the slice is over → save and release
→ … → install what was learnt → compare the candidate, promote it if the run's rule allows it, and end the run

A slice ends by time, by the end of the process, or by a kill: whoever goes on begins where the last state was saved,
and takes the very same steps (bit for bit on a CPU), so that no step counts twice. A run that is cancelled loses its
lease, which is seen at the next step.
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
from shared.training import leases
from shared.training.runs import TrainingRun, is_over
from shared.training.tick import publish_due
from workers.comparing import compare_candidate
from workers.features import FeaturesUnavailable
from workers.learnt import install
from workers.model.training import Progress, train, validate
from workers.preparation import NothingToLearn, prepare
from workers.training_state import remove_all, resumed, save
from workers.workshop import SliceOver, Workshop

RENEW_SECONDS = 1.0
"""How often progress is written, and a cancellation noticed."""

WAIT_SECONDS = 30.0
"""Until a run is tried again that a service, or a bug, has stopped."""

log = structlog.get_logger()


def train_slice(workshop: Workshop, run_id: UUID) -> None:
    """Work on a run for one slice; drop the message if it is not to be had."""
    with transaction(workshop.engine) as connection:
        run = leases.claim(connection, run_id, workshop.settings.lease_seconds)
    if run is None:
        return
    with workshop.watchdog.watching(run.hold):
        _contained(workshop, run)
    try:
        _tidy(workshop, run)
        publish_due(workshop.engine, workshop.broker)
    except Unavailable as error:  # the sweep publishes later, and what was not deleted is pruned
        log.warning("training_left_untidy", run=str(run.id), error=str(error))


def _tidy(workshop: Workshop, run: TrainingRun) -> None:
    """Let go of a run that is over, whoever ended it: a merchant's erasure may have taken the row, too."""
    with transaction(workshop.engine) as connection:
        over = is_over(connection, run.id)
    if over:
        workshop.let_go()
        remove_all(workshop, run)


def _contained(workshop: Workshop, run: TrainingRun) -> None:
    """Work on a run, and put on record whatever ends it. The lease may be lost even then: the record is another's."""
    try:
        try:
            _work(workshop, run)
        except torch.AcceleratorError as error:
            raise DeviceLost(f"{workshop.device} failed, and this process cannot use it any more: {error}") from error
        except NothingToLearn as error:
            _end(workshop, run, "cancelled", error)
        except FeaturesUnavailable as error:  # where they are not now they will not be in a while
            _end(workshop, run, "failed", error)
        except (LeaseLost, Unavailable):
            raise
        except AtelierError as error:
            _end(workshop, run, "failed", error)
        except Exception as error:  # a bug, or too little memory: the run is tried again, but not for ever
            log.exception("training_slice_crashed", run=str(run.id))
            _release(workshop, run, f"{type(error).__name__}: {error}", counts=True)
    except LeaseLost as error:
        log.info("training_run_lost", run=str(run.id), error=str(error))
    except Unavailable as error:
        log.warning("training_run_waits", run=str(run.id), error=str(error))
        with suppress(LeaseLost, DatabaseUnavailable):  # then the lease runs out
            _release(workshop, run, str(error), counts=False)
        if isinstance(error, DeviceLost):
            workshop.device_lost.set()
            workshop.draining.set()


def _work(workshop: Workshop, run: TrainingRun) -> None:
    """Train for a slice; when the steps are done, compare what was learnt with the champion."""
    if run.state != "comparing":
        run = _learn(workshop, run)
    if run.state == "comparing":
        try:
            compare_candidate(workshop, run)
        except SliceOver:
            with transaction(workshop.engine) as connection:
                leases.release(connection, run, None, 0)


def _learn(workshop: Workshop, run: TrainingRun) -> TrainingRun:
    """Collect, train for a slice, and install what was learnt when the steps are done; return the run as it stands."""
    prepared = prepare(workshop, run)
    run = prepared.run
    with resumed(workshop, prepared) as (learner, folder):
        if learner.step == 0:
            errors = validate(learner, prepared.data, prepared.vgg)
            first = {"step": 0} | {name: round(value, 5) for name, value in errors.items()}
            (folder / "log.jsonl").write_text(json.dumps(first) + "\n")
            _note(workshop, run, 0, first)
        try:
            checkpoint = train(learner, prepared.data, prepared.vgg, folder, report=_Pace(workshop, run).report)
        except SliceOver:
            save(workshop, run, learner, folder)
            return run
        assert checkpoint is not None  # no deadline was set
        return install(workshop, run, learner.step, checkpoint)


class _Pace:
    """Tells database and watchdog of each step, and ends the slice when its time is over or the process is to end."""

    def __init__(self, workshop: Workshop, run: TrainingRun) -> None:
        self._workshop = workshop
        self._run = run
        self._noted = -math.inf
        self._until = time.monotonic() + 60 * workshop.settings.train_slice_minutes

    def report(self, progress: Progress) -> None:
        """Raise SliceOver to save and go on later, or LeaseLost to stop at once."""
        now = time.monotonic()
        self._workshop.watchdog.progress(self._run.hold)
        if progress.logged is not None or now - self._noted > RENEW_SECONDS:
            _note(self._workshop, self._run, progress.step, progress.logged)
            self._noted = now
        if progress.step < progress.steps and (now >= self._until or self._workshop.draining.is_set()):
            raise SliceOver


def _note(workshop: Workshop, run: TrainingRun, step: int, logged: Mapping[str, float] | None = None) -> None:
    with transaction(workshop.engine) as connection:
        leases.progress(connection, run, workshop.settings.lease_seconds, step, logged)


def _end(workshop: Workshop, run: TrainingRun, state: str, error: AtelierError) -> None:
    with transaction(workshop.engine) as connection:
        leases.end(connection, run, state, error.code, str(error))
    log.warning("training_run_ended", run=str(run.id), state=state, code=error.code, error=str(error))


def _release(workshop: Workshop, run: TrainingRun, message: str, *, counts: bool) -> None:
    with transaction(workshop.engine) as connection:
        leases.release(connection, run, message, WAIT_SECONDS, counts=counts)
