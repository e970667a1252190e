"""Run beat, which sends regular ticks to the workers, and events to webhooks. One is enough; two do no harm."""

from __future__ import annotations

from celery.signals import after_task_publish
from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector

from shared.broker import CHECK_SOURCES, CONTROL_QUEUE, NIGHTLY, SWEEP
from shared.catalog.tick import TICK_SECONDS
from shared.context import Session
from shared.database import transaction
from shared.monitor import Monitor, monitored
from shared.operations import health
from shared.operations.backlog import Backlog
from workers.fetch.address_guard import Reach
from workers.process.attached import stop_with_standard_input
from workers.process.ticks import tick_scheduler
from workers.webhooks.post import Poster
from workers.webhooks.sender import sending_webhooks


def run_beat(session: Session, *, until_stdin_closes: bool = False) -> None:
    """Send ticks until the process is told to stop, or standard input ends."""
    settings, app = session.settings, session.broker.app
    after_task_publish.connect(lambda **_: health.note_tick(settings.home), weak=False)
    app.conf.beat_schedule = {
        "sweep": {
            "task": SWEEP,
            "schedule": settings.sweep_seconds,
            "options": {"queue": CONTROL_QUEUE, "expires": settings.sweep_seconds},
        },
        "nightly": {
            "task": NIGHTLY,
            "schedule": TICK_SECONDS,
            "options": {"queue": CONTROL_QUEUE, "expires": TICK_SECONDS},
        },
        "checks": {
            "task": CHECK_SOURCES,
            "schedule": TICK_SECONDS,
            "options": {"queue": CONTROL_QUEUE, "expires": TICK_SECONDS},
        },
    }
    with (
        monitored(settings.monitor_address, _monitor(session)),
        sending_webhooks(session.engine, Poster(Reach(networks=settings.source_networks))),
    ):
        if until_stdin_closes:
            stop_with_standard_input()
        scheduler = tick_scheduler(session.broker, lambda: health.note_tick(settings.home))
        app.Beat(scheduler=scheduler, loglevel=settings.log_level.upper(), quiet=True).run()


def _monitor(session: Session) -> Monitor:
    """Return the monitor of beat, which covers the whole installation, since there is only one beat."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Backlog(session.engine, session.broker))

    def alive() -> None:
        health.check_beat(session.settings.home, session.settings.sweep_seconds)

    def ready() -> None:
        session.broker.ping()
        with transaction(session.engine):
            pass

    return Monitor(registry, alive, ready)
