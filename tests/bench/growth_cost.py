"""What a call costs: seconds of the clock, and core-seconds, which other work on the machine hardly changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.context import Session
from tests.bench.installation import postgres_core_seconds, server_pids


@dataclass(frozen=True)
class Cost:
    """Cost of a call.

    ``seconds``    of the clock; they grow with whatever else the machine does.
    ``here``       core-seconds of this process.
    ``postgres``   core-seconds of Postgres, autovacuum meanwhile included.
    """

    seconds: float
    here: float
    postgres: float

    @property
    def core_seconds(self) -> float:
        """Return core-seconds of both."""
        return self.here + self.postgres


def cost_of(session: Session, call: Callable[[], object]) -> Cost:
    """Measure a call."""
    postmaster = server_pids(session)["postgres"]
    there, here, began = postgres_core_seconds(postmaster), time.process_time(), time.monotonic()
    call()
    seconds = time.monotonic() - began
    return Cost(seconds, time.process_time() - here, postgres_core_seconds(postmaster) - there)
