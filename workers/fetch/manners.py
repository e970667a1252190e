"""Limit how much one process asks of a host, and leave a host alone that requests it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.errors import SourceUnavailable

REQUESTS_PER_HOST = 4
LONGEST_REST_SECONDS = 3600.0
_REMEMBERED = 1024


class Manners:
    """Allows ``limit`` requests at once to a host, and none while it rests. All threads share one instance."""

    def __init__(self, limit: int = REQUESTS_PER_HOST) -> None:
        self._limit = limit
        self._busy: Counter[str] = Counter()
        self._resting: dict[str, tuple[float, bool]] = {}  # until when, and whether the host requested it
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, host: str, seconds: float) -> Iterator[None]:
        """Wait at most ``seconds`` for a turn, and hold it in the block.

        Raises SourceUnavailable, with the time to wait, if the host rests or no turn comes.
        """
        with self._changed:
            came = self._changed.wait_for(lambda: self._rests(host) or self._busy[host] < self._limit, seconds)
            if self._rests(host):
                until, requested = self._resting[host]
                what = "asked to be left alone" if requested else "could not be reached a moment ago"
                raise SourceUnavailable(
                    f"host {host} {what}", wait_seconds=max(0.0, until - time.monotonic()), counts=not requested
                )
            if not came:
                raise SourceUnavailable(f"host {host} is busy with our other requests", counts=False)
            self._busy[host] += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy[host] -= 1
                if not self._busy[host]:
                    del self._busy[host]
                self._changed.notify_all()

    def let_rest(self, host: str, seconds: float, *, requested: bool) -> None:
        """Send a host no requests for some time, because it said so (``requested``) or cannot be reached."""
        with self._changed:
            now = time.monotonic()
            if len(self._resting) >= _REMEMBERED:
                self._resting = {name: rest for name, rest in self._resting.items() if rest[0] > now}
            self._resting[host] = (now + seconds, requested)
            self._changed.notify_all()

    def _rests(self, host: str) -> bool:
        return host in self._resting and self._resting[host][0] > time.monotonic()


def retry_after_seconds(header: str | None) -> float:
    """Return the seconds of a ``Retry-After`` header (RFC 9110, 10.2.3: seconds or a date), at most an hour, else 0."""
    try:
        text = (header or "").strip()
        if text.isascii() and text.isdigit():
            seconds = float(text[:9])
        else:
            moment = parsedate_to_datetime(text)
            seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_REST_SECONDS)
