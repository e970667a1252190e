"""Run a styling worker: one process per device, with threads for chunk slots and previews, and a timer."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import Any

import structlog
from celery.signals import worker_shutting_down
from sqlalchemy import Engine

from shared.broker import CONTROL_QUEUE, ROUTES, Broker
from shared.database import end_idle_transactions, transaction
from shared.errors import Unavailable
from shared.monitor import Monitor, monitored
from shared.queue import fleet
from shared.queue.dispatch import dispatch
from shared.queue.sweep import sweep
from shared.settings import ALIVE_SECONDS, Settings
from shared.store import ObjectStore
from workers.process.attached import stop_with_standard_input
from workers.process.consumer import Consumer
from workers.styling.context import WorkerContext, open_worker_context
from workers.styling.previews import PreviewSlot
from workers.styling.tasks import register_tasks

EXIT_DEVICE_LOST = 76
"""Exit code after the device failed in this process; a new process may be able to use it."""

log = structlog.get_logger()


def run_worker(
    settings: Settings,
    engine: Engine,
    store: ObjectStore,
    broker: Broker,
    *,
    until_stdin_closes: bool = False,
) -> int:
    """Work until told to stop (SIGTERM, or Ctrl-C); return the exit code of the process.

    Chunks in progress give back the jobs that have not begun. A worker whose device failed also stops, with
    ``EXIT_DEVICE_LOST``, so that its supervisor starts another. With ``until_stdin_closes`` the worker also
    stops when standard input ends, so that it never outlives the command that started it.
    """
    end_idle_transactions(engine, settings.lease_seconds)
    with (
        open_worker_context(settings, engine, store, broker) as context,
        monitored(settings.monitor_address, _monitor(context)),
    ):
        register_tasks(broker.app, context)

        def drain(**_: Any) -> None:
            context.drain()

        worker_shutting_down.connect(drain, weak=False)
        if until_stdin_closes:
            stop_with_standard_input()
        timer = threading.Thread(target=_keep_time, args=(context,), name="timer", daemon=True)
        timer.start()
        previews = PreviewSlot(broker, context)
        previews.start()
        with suppress(Unavailable):
            dispatch(engine, broker)
        log.info("worker_started", device=str(context.painter.device), slots=settings.slots)
        consumer = Consumer(f"atelier-{context.worker_id}", (CONTROL_QUEUE, ROUTES["bulk"]), settings.slots)
        worker = consumer.celery_worker(broker, settings.log_level)
        try:
            worker.start()
        finally:
            told_to_stop = context.draining.is_set()
            drain()
            previews.join()
            timer.join()
    if context.device_lost.is_set():
        return EXIT_DEVICE_LOST
    # Celery reports Ctrl-C as a failure, but that is how a worker in a terminal is stopped.
    return 0 if told_to_stop else int(worker.exitcode or 0)


def _monitor(context: WorkerContext) -> Monitor:
    """Return the monitor of a worker.

    The worker is alive while its timer runs, even during an outage of Postgres, and no chunk hangs. A restart fixes
    neither an outage nor a broken service, so these only make the worker not ready.
    """
    silence = ALIVE_SECONDS + 2 * context.settings.lease_seconds

    def alive() -> None:
        if context.pulse.silent_seconds > silence:
            raise Unavailable(f"the worker's timer has not run for {context.pulse.silent_seconds:.0f} s")
        if stalled := context.watchdog.stalled():
            raise Unavailable(f"no progress on {len(stalled)} chunks")

    def ready() -> None:
        if context.device_lost.is_set():
            raise Unavailable(f"{context.painter.device} failed")
        if context.draining.is_set():
            raise Unavailable("the worker is stopping")
        if context.breaker.seconds:
            raise Unavailable("a service fails: see the worker's log")

    return Monitor(context.metrics.registry, alive, ready)


def _keep_time(context: WorkerContext) -> None:
    """Send heartbeats and sweep until the worker stops. After a failure the next round tries again.

    Even after a bug: a worker without this thread would look dead to the others while it works.
    """
    while not context.draining.wait(context.settings.sweep_seconds):
        context.pulse.beat()
        try:
            with transaction(context.engine) as connection:
                fleet.register(connection, context.worker_id, str(context.painter.device), context.settings.slots)
            # Samples are beat's: a hundred workers together would read a hundred.
            context.metrics.swept(sweep(context.engine, context.broker, sampled_jobs=0))
        except Unavailable as error:
            log.warning("sweep_failed", error=str(error))
        except Exception:  # a bug must not end this thread, see above
            log.exception("sweep_crashed")
    if context.device_lost.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
