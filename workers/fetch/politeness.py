"""Limit how much one process asks of a host, and leave a host alone that requests it or stays silent.

A host that answers quickly gets several requests at once. One that has not answered yet, or was slow the last time,
gets one request at a time, and the others give up soon: so it occupies one slot of a worker at most, however many
images name it. One that stays silent rests, longer each time (a circuit breaker per host; Nygard 2007, "Release It!").
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.errors import SourceUnavailable

REQUESTS_PER_HOST = 4
SLOW_SECONDS = 5.0
"""A request that takes longer makes its host a slow one, until one is quicker."""

PATIENCE_SECONDS = 2.0
"""How long a request waits for the one before it to a host that is slow or new."""

SILENT_REST_SECONDS = 30.0
LONGEST_SILENT_REST_SECONDS = 600.0
LONGEST_REST_SECONDS = 3600.0
_REMEMBERED = 1024


class Manners:
    """Allows ``limit`` requests at once to a host, and none while it rests. All threads share one instance."""

    def __init__(self, limit: int = REQUESTS_PER_HOST) -> None:
        self._limit = limit
        self._busy: Counter[str] = Counter()
        self._quick: OrderedDict[str, None] = OrderedDict()  # hosts whose last request was quick, the oldest first
        self._silences: OrderedDict[str, int] = OrderedDict()  # in a row
        self._resting: dict[str, tuple[float, bool]] = {}  # until when, and whether the host requested it
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, host: str, seconds: float) -> Iterator[None]:
        """Wait at most ``seconds`` for a turn, and hold it in the block.

        Raises SourceUnavailable, with the time to wait, if the host rests or no turn comes.
        """
        with self._changed:
            patience = seconds if host in self._quick else min(seconds, PATIENCE_SECONDS)
            came = self._changed.wait_for(lambda: self._rests(host) or self._busy[host] < self._most(host), patience)
            if self._rests(host):
                until, requested = self._resting[host]
                what = "asked to be left alone" if requested else "did not answer a moment ago"
                raise SourceUnavailable(
                    f"host {host} {what}", wait_seconds=max(0.0, until - time.monotonic()), counts=not requested
                )
            if not came:
                raise SourceUnavailable(f"host {host} is busy with our other requests", counts=False)
            self._busy[host] += 1
            silences = self._silences.get(host, 0)
        began = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                self._busy[host] -= 1
                if not self._busy[host]:
                    del self._busy[host]
                if self._silences.get(host, 0) <= silences:  # else silence was noted, however short this turn
                    self._note(host, time.monotonic() - began)
                else:
                    self._quick.pop(host, None)
                self._changed.notify_all()

    def let_rest(self, host: str, seconds: float, *, requested: bool) -> None:
        """Send a host no requests for some time, because it said so (``requested``) or cannot be reached."""
        with self._changed:
            now = time.monotonic()
            if len(self._resting) >= _REMEMBERED:
                self._resting = {name: rest for name, rest in self._resting.items() if rest[0] > now}
            self._resting[host] = (now + seconds, requested)
            self._changed.notify_all()

    def note_silence(self, host: str) -> None:
        """Let a host rest that gave no answer in time, for twice as long each time in a row."""
        with self._changed:
            silences = self._silences.pop(host, 0)
            self._silences[host] = silences + 1
            _forget_oldest(self._silences)
        self.let_rest(host, min(SILENT_REST_SECONDS * 2**silences, LONGEST_SILENT_REST_SECONDS), requested=False)

    def _most(self, host: str) -> int:
        return self._limit if host in self._quick else 1

    def _note(self, host: str, seconds: float) -> None:
        self._quick.pop(host, None)
        if seconds < SLOW_SECONDS:
            self._quick[host] = None
            self._silences.pop(host, None)
            _forget_oldest(self._quick)

    def _rests(self, host: str) -> bool:
        return host in self._resting and self._resting[host][0] > time.monotonic()


def _forget_oldest(hosts: OrderedDict[str, None] | OrderedDict[str, int]) -> None:
    if len(hosts) > _REMEMBERED:
        hosts.popitem(last=False)


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
