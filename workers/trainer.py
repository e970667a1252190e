"""A trainer: a process of its own that works on training runs, one slice at a time, and never disturbs styling.

It takes from the ``train`` queue alone, yields the processor to whoever styles, and has few torch threads.
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
from shared.database import end_idle_transactions
from shared.errors import Unavailable
from shared.session import Session
from shared.training.tick import publish_due
from workers.consumer import Consumer
from workers.retraining import train_slice
from workers.worker import EXIT_DEVICE_LOST
from workers.workshop import Workshop, open_workshop

NICE = 10
"""Added to the process's niceness: an idle core is used whole, a busy one is left to the others."""

log = structlog.get_logger()


def run_trainer(session: Session) -> int:
    """Train until told to stop (SIGTERM, or Ctrl-C); return the exit code of the process.

    The run in hand is saved at its next step, and goes on wherever a trainer is.
    """
    os.nice(NICE)
    settings, broker = session.settings, session.broker
    end_idle_transactions(session.engine, settings.lease_seconds)
    with open_workshop(settings, session.engine, session.store, broker) as workshop:
        register_training(broker.app, workshop)

        def drain(**_: Any) -> None:
            workshop.draining.set()

        worker_shutting_down.connect(drain, weak=False)
        timer = threading.Thread(target=_keep_time, args=(workshop,), name="timer", daemon=True)
        timer.start()
        log.info("trainer_started", device=str(workshop.device), threads=settings.train_threads)
        worker = Consumer(f"atelier-trainer-{uuid4()}", (TRAIN_QUEUE,), 1).celery_worker(broker, settings.log_level)
        try:
            worker.start()
        finally:
            told_to_stop = workshop.draining.is_set()
            workshop.draining.set()
            timer.join()
    if workshop.device_lost.is_set():
        return EXIT_DEVICE_LOST
    return 0 if told_to_stop else int(worker.exitcode or 0)


def register_training(app: Celery, workshop: Workshop) -> None:
    """Give the app the one task of a trainer, a thin wrapper: those of a styling worker are in ``workers.tasks``."""

    @app.task(name=TRAIN_SLICE)  # type: ignore[untyped-decorator]
    def train_slice_of(run_id: str) -> None:
        train_slice(workshop, UUID(run_id))


def _keep_time(workshop: Workshop) -> None:
    """Find runs that wait, at the beginning and then now and again, until the trainer is to end."""
    while True:
        try:
            publish_due(workshop.engine, workshop.broker)
        except Unavailable as error:
            log.warning("publishing_failed", error=str(error))
        if workshop.draining.wait(workshop.settings.sweep_seconds):
            break
    if workshop.device_lost.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
