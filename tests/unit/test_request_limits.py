"""Limits on what one key asks of the API."""

from __future__ import annotations

import pytest

from producer.api import limits
from producer.api.limits import BURST_SECONDS, Limits, TooManyRequests


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_served_then_one_request_each_time_a_token_is_back() -> None:
    clock = Clock()
    allowed = Limits(per_second=2, at_once=1000, clock=clock)
    for _ in range(int(2 * BURST_SECONDS)):
        allowed.enter("a")
    with pytest.raises(TooManyRequests, match="2 requests per second") as error:
        allowed.enter("a")
    assert error.value.retry_after_seconds == 1
    allowed.enter("b")  # another key is not the first one's concern
    clock.now += 0.5
    allowed.enter("a")
    with pytest.raises(TooManyRequests):
        allowed.enter("a")


def test_requests_at_once_are_counted_until_their_answers_are_sent() -> None:
    allowed = Limits(per_second=1000, at_once=2, clock=Clock())
    leave = allowed.enter("a")
    allowed.enter("a")
    with pytest.raises(TooManyRequests, match="at most 2 requests at once"):
        allowed.enter("a")
    leave()
    allowed.enter("a")


def test_a_slow_rate_says_how_long_to_wait() -> None:
    clock = Clock()
    allowed = Limits(per_second=0.01, at_once=10, clock=clock)
    allowed.enter("a")
    with pytest.raises(TooManyRequests) as error:
        allowed.enter("a")
    assert error.value.retry_after_seconds == 100
    clock.now += 100
    allowed.enter("a")


def test_memory_is_bounded_however_many_keys_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_REMEMBERED", 10)
    allowed = Limits(per_second=1, at_once=1, clock=Clock())
    for number in range(100):
        allowed.enter(str(number))
    assert len(allowed._buckets) == 10
