"""Limit the requests of each API key: how many per second, and how many at once.

Each key has a token bucket (Turner 1986) in the memory of one process. With several API processes behind a load
balancer, each process allows that much.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.errors import Unavailable

BURST_SECONDS = 4.0
"""Seconds' worth of requests that a key may send at once after a pause."""

_REMEMBERED = 10_000


class TooManyRequests(Unavailable):
    """A key sends too many requests, or too many at once."""

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
    """Remaining allowance of each key. All threads of the API's process share it.

    ``per_second`` limits sustained requests, ``at_once`` concurrent ones; ``clock`` returns seconds.
    """

    def __init__(self, per_second: float, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._at_once, self._clock = per_second, at_once, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def enter(self, key: str) -> Callable[[], None]:
        """Begin a request of a key; return the function that ends it. Raises TooManyRequests."""
        with self._lock:
            bucket = self._bucket(key)
            if bucket.at_once >= self._at_once:
                raise TooManyRequests(
                    f"a key may send at most {self._at_once} requests at once: wait for their answers", 1
                )
            if bucket.tokens < 1:
                wait = (1 - bucket.tokens) / self._per_second
                raise TooManyRequests(f"a key may send {self._per_second:g} requests per second: send fewer", wait)
            bucket.tokens -= 1
            bucket.at_once += 1
        return lambda: self._leave(bucket)

    def allowance(self, key: str) -> Mapping[str, str]:
        """Return what a key may still send, as headers (draft-ietf-httpapi-ratelimit-headers-10).

        The policy's window is the time in which the whole burst comes back; ``t`` is that until it has.
        """
        with self._lock:
            bucket = self._bucket(key)
            left, most = max(0, math.floor(bucket.tokens)), max(1.0, self._per_second * BURST_SECONDS)
            whole_in = math.ceil((most - bucket.tokens) / self._per_second)
        window = math.ceil(most / self._per_second)
        return {
            "RateLimit-Policy": f'"key";q={math.floor(most)};w={window}',
            "RateLimit": f'"key";r={left};t={max(0, whole_in)}',
        }

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
