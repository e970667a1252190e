"""Circuit breaker: when a service fails, the worker waits instead of failing images."""

from __future__ import annotations

import random
import threading
import time

import structlog

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 30.0

log = structlog.get_logger()


class Breaker:
    """Opens on a failure, each time for twice as long, and closes on the first success."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def failed(self, error: Exception) -> None:
        """Count a failure of a service. Slots that meet the same outage count once."""
        with self._lock:
            now = time.monotonic()
            if now >= self._open_until:
                self._failures += 1
                self._open_until = now + self._seconds()
            log.warning("service_unavailable", error=str(error), failures=self._failures)

    @property
    def seconds(self) -> float:
        """Return the longest wait before the next try; 0 while closed."""
        with self._lock:
            return self._seconds()

    def _seconds(self) -> float:
        return min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(self._failures - 1, 10)) if self._failures else 0.0

    def succeeded(self) -> None:
        """Reset the failures."""
        with self._lock:
            self._failures = 0
            self._open_until = 0.0

    def wait(self) -> None:
        """Return at once while closed; otherwise wait with backoff and jitter, or until the worker stops."""
        if seconds := self.seconds:
            self._closing.wait(seconds * random.uniform(0.5, 1.0))

    def close(self) -> None:
        """End all waits, because the worker stops."""
        self._closing.set()
