"""The watchdog: ends a process in which a chunk makes no progress.

A decoder or device that hangs cannot be stopped from within Python. The process ends, its
supervisor starts another, and the leases say what is redone, carefully.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

EXIT_STALLED = 75

Hold = tuple[int | UUID, int]
"""The id and lease of a chunk, or of a training run: the same may come back to this process while an earlier hold
hangs."""

log = structlog.get_logger()


class Watchdog:
    """Knows when each chunk in hand last made progress."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._progress: dict[Hold, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    @contextmanager
    def watching(self, hold: Hold) -> Iterator[None]:
        """Expect progress on a chunk until the end of the block."""
        self.progress(hold)
        try:
            yield
        finally:
            with self._lock:
                self._progress.pop(hold, None)

    def progress(self, hold: Hold) -> None:
        """Note that a chunk moved on."""
        with self._lock:
            self._progress[hold] = time.monotonic()

    def stalled(self) -> list[Hold]:
        """Return the chunks that have made no progress for too long."""
        limit = time.monotonic() - self._stall_seconds
        with self._lock:
            return [hold for hold, last in self._progress.items() if last < limit]

    def _run(self) -> None:
        while not self._stopped.wait(min(5.0, self._stall_seconds / 4)):
            if stalled := self.stalled():
                log.error("stalled", chunks=stalled, seconds=self._stall_seconds)
                os._exit(EXIT_STALLED)
