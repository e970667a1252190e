"""Limits on what one key asks of the API: how often, and how many requests at once.

A token bucket for each key (Turner 1986), in the memory of one process: with several API processes behind a load
balancer, each allows that much.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import Unavailable

BURST_SECONDS = 4.0
"""A key that was quiet may send this many seconds' worth of requests at once."""

_REMEMBERED = 10_000


class TooManyRequests(Unavailable):
    """A key asks more often, or more at once, than it may."""

    code = "too_many_requests"

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = max(1, math.ceil(retry_after_seconds))


@dataclass
class _Bucket:
    tokens: float
    filled_at: float
    at_once: int = 0


class Limits:
    """What each key has left. Shared by all threads of the API's process.

    ``per_second`` requests for long, and ``at_once`` at the same time; ``clock`` gives seconds.
    """

    def __init__(self, per_second: float, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._at_once, self._clock = per_second, at_once, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def enter(self, key: str) -> Callable[[], None]:
        """Begin a request of a key; return what ends it. Raises TooManyRequests."""
        with self._lock:
            bucket = self._bucket(key)
            if bucket.at_once >= self._at_once:
                raise TooManyRequests(f"a key has at most {self._at_once} requests at once: wait for their answers", 1)
            if bucket.tokens < 1:
                wait = (1 - bucket.tokens) / self._per_second
                raise TooManyRequests(f"a key may send {self._per_second:g} requests a second: send fewer", wait)
            bucket.tokens -= 1
            bucket.at_once += 1
        return lambda: self._leave(bucket)

    def _bucket(self, key: str) -> _Bucket:
        now, most = self._clock(), max(1.0, self._per_second * BURST_SECONDS)
        bucket = self._buckets.pop(key, None) or _Bucket(most, now)
        bucket.tokens = min(most, bucket.tokens + (now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
        self._buckets[key] = bucket
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return bucket

    def _leave(self, bucket: _Bucket) -> None:
        with self._lock:
            bucket.at_once -= 1
