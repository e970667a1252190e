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
        leaves_out = False

        def apply_entry(self, entry: Any, producer: Any = None) -> None:
            """Send a tick that is due, or leave it out."""
            is_full = _is_full(broker)
            if is_full and not self.leaves_out:  # once, not with every tick
                log.warning(
                    "ticks_left_out",
                    reason=f"{MOST_WAITING} ticks wait for a worker: start one with `atelier worker`, or wait while all"
                    " are busy. Nothing is lost: the next tick that a worker takes does the work of those left out",
                )
            self.leaves_out = is_full
            if is_full:
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
