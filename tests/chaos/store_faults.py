"""What an object store's server may do to a request."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.crew import Crew
from tests.chaos.flaky_s3 import FlakyS3, Request

SLOW_SECONDS = 2.0
"""Of each answer that is late: above what any takes otherwise, below what a client has patience for."""

FAULTS: dict[str, Callable[[Request], None]] = {
    "500": lambda request: request.refuse(500, "InternalError"),
    "503 SlowDown": lambda request: request.refuse(503, "SlowDown"),
    "hang": Request.hang,
    "slow": lambda request: request.delay(SLOW_SECONDS),
    "cut body": Request.cut,
    "denied": lambda request: request.refuse(403, "AccessDenied"),
    "bucket gone": lambda request: request.refuse(404, "NoSuchBucket"),
}


def strike(crew: Crew, flaky: FlakyS3, fault: Callable[[Request], None], *, share: float = 1.0) -> None:
    """Spoil a few answers."""
    flaky.hits, flaky.share, flaky.fault = 0, share, fault
    crew.wait_until(lambda: flaky.hits >= 3, "a few spoilt answers")
    flaky.fault = None
