"""Ticks: the messages that beat sends regularly, unless earlier ones still wait for a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery.beat import Scheduler

from shared.broker import Broker
from shared.errors import BrokerUnavailable

MOST_WAITING = 10
"""Number of ticks in Redis above which beat sends none: without workers they would accumulate for ever."""

log = structlog.get_logger()


def tick_scheduler(broker: Broker, sent: Callable[[], None]) -> type[Scheduler]:
    """Return the class of a scheduler that sends no tick while ``MOST_WAITING`` wait; ``sent`` is called in any case.

    Beat makes its scheduler itself, hence a class. It keeps its state in memory; Celery's usual one unpickles a file.
    """

    class TickScheduler(Scheduler):  # type: ignore[misc]
        def apply_entry(self, entry: Any, producer: Any = None) -> None:
            """Send a tick that is due, or leave it out."""
            if _is_full(broker):
                log.warning("tick_left_out", task=entry.task, reason="no worker takes the earlier ones")
                sent()
            else:
                super().apply_entry(entry, producer=producer)

    return TickScheduler


def _is_full(broker: Broker) -> bool:
    """Return whether as many ticks wait as may. During an outage of Redis sending fails, and says so."""
    try:
        return broker.ticks_held() >= MOST_WAITING
    except BrokerUnavailable:
        return False
