"""Run a trainer: a process that works on training runs, one slice at a time, without disturbing styling.

It takes tasks from the ``train`` queue only, yields the processor to styling, and uses few torch threads.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Any
from uuid import UUID, uuid4

import structlog
from celery import Celery
from celery.signals import worker_shutting_down

from shared.broker import TRAIN_QUEUE, TRAIN_SLICE
from shared.context import Session
from shared.database import end_idle_transactions
from shared.errors import Unavailable
from shared.models.training.tick import publish_due
from workers.process.attached import stop_with_standard_input
from workers.process.consumer import Consumer
from workers.process.worker import EXIT_DEVICE_LOST
from workers.training.context import TrainerContext, open_trainer_context
from workers.training.retraining import train_slice

NICE = 10
"""Niceness added to the process: it uses idle cores fully and leaves busy ones to others."""

log = structlog.get_logger()


def run_trainer(session: Session, *, until_stdin_closes: bool = False) -> int:
    """Train until told to stop (SIGTERM, or Ctrl-C); return the exit code of the process.

    The current run is saved at its next step. Any trainer can continue it. With ``until_stdin_closes`` it also stops
    when standard input ends.
    """
    os.nice(NICE)
    settings, broker = session.settings, session.broker
    end_idle_transactions(session.engine, settings.lease_seconds)
    with open_trainer_context(settings, session.engine, session.store, broker) as context:
        register_training(broker.app, context)

        def drain(**_: Any) -> None:
            context.draining.set()

        worker_shutting_down.connect(drain, weak=False)
        if until_stdin_closes:
            stop_with_standard_input()
        timer = threading.Thread(target=_keep_time, args=(context,), name="timer", daemon=True)
        timer.start()
        log.info("trainer_started", device=str(context.device), threads=settings.train_threads)
        worker = Consumer(f"atelier-trainer-{uuid4()}", (TRAIN_QUEUE,), 1).celery_worker(broker, settings.log_level)
        try:
            worker.start()
        finally:
            told_to_stop = context.draining.is_set()
            context.draining.set()
            timer.join()
    if context.device_lost.is_set():
        return EXIT_DEVICE_LOST
    return 0 if told_to_stop else int(worker.exitcode or 0)


def register_training(app: Celery, context: TrainerContext) -> None:
    """Register the one task of a trainer, a thin wrapper. Those of styling are in ``styling/tasks.py``."""

    @app.task(name=TRAIN_SLICE)  # type: ignore[untyped-decorator]
    def train_slice_of(run_id: str) -> None:
        train_slice(context, UUID(run_id))


def _keep_time(context: TrainerContext) -> None:
    """Look for waiting runs at the start and then regularly, until the trainer is told to stop."""
    while True:
        try:
            publish_due(context.engine, context.broker)
        except Unavailable as error:
            log.warning("publishing_failed", error=str(error))
        if context.draining.wait(context.settings.sweep_seconds):
            break
    if context.device_lost.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
