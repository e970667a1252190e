"""End a process in which a chunk makes no progress.

A decoder or device that hangs cannot be stopped from within Python. So the process ends, its
supervisor starts another, and the expired leases decide what is redone, carefully.
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

LeaseKey = tuple[int | UUID, int]
"""Id and lease of a chunk or training run. Both are needed, since this process may claim the same one again while an
earlier claim hangs."""

log = structlog.get_logger()


class Watchdog:
    """Records when each chunk in progress last made progress."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._progress: dict[LeaseKey, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    @contextmanager
    def watching(self, key: LeaseKey) -> Iterator[None]:
        """Expect progress on a chunk until the block ends."""
        self.progress(key)
        try:
            yield
        finally:
            with self._lock:
                self._progress.pop(key, None)

    def progress(self, key: LeaseKey) -> None:
        """Record progress of a chunk."""
        with self._lock:
            self._progress[key] = time.monotonic()

    def stalled(self) -> list[LeaseKey]:
        """Return the chunks without progress for too long."""
        limit = time.monotonic() - self._stall_seconds
        with self._lock:
            return [key for key, last in self._progress.items() if last < limit]

    def _run(self) -> None:
        while not self._stopped.wait(min(5.0, self._stall_seconds / 4)):
            if stalled := self.stalled():
                log.error("stalled", chunks=stalled, seconds=self._stall_seconds)
                os._exit(EXIT_STALLED)
