"""When a crontab fires in a zone, also on the two days a year when the clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from shared.crontab import Crontab, end_after
from shared.errors import UsageError

BERLIN = "Europe/Berlin"


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def test_a_time_that_the_change_to_summer_time_skips_fires_when_the_clock_has_jumped() -> None:
    found = Crontab("30 2 * * *", BERLIN).following(utc(2026, 3, 28, 0), 3)
    assert found == [utc(2026, 3, 28, 1, 30), utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)]


def test_a_time_that_comes_twice_fires_once() -> None:
    found = Crontab("30 2 * * *", BERLIN).following(utc(2026, 10, 24, 0), 3)
    assert found == [utc(2026, 10, 24, 0, 30), utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]


def test_times_that_fall_together_in_a_gap_are_one_slot() -> None:
    assert Crontab("0,30 2 * * *", BERLIN).between(utc(2026, 3, 29, 0), utc(2026, 3, 29, 12), 9) == [
        utc(2026, 3, 29, 1)
    ]


def test_an_end_in_a_gap_is_after_the_jump_and_one_before_the_start_is_next_day() -> None:
    assert end_after(utc(2026, 3, 28, 22), time(2, 30), BERLIN) == utc(2026, 3, 29, 1)
    assert end_after(utc(2026, 6, 1, 2), time(3), BERLIN) == utc(2026, 6, 2, 1)
    assert end_after(utc(2026, 6, 1, 2), None, BERLIN) is None


def test_only_the_newest_slots_of_a_long_time_are_returned() -> None:
    found = Crontab("* * * * *", "UTC").between(utc(2026, 1, 1), utc(2026, 1, 3), 2)
    assert found == [utc(2026, 1, 2, 23, 59), utc(2026, 1, 3)]


def test_a_leap_day_is_waited_for_even_across_a_century() -> None:
    assert Crontab("0 2 29 2 *", "UTC").following(utc(2096, 3, 1), 1) == [utc(2104, 2, 29, 2)]


@pytest.mark.parametrize("text", ["0 2 31 2 *", "99 2 * * *", "x", "* * * *", ""])
def test_what_never_fires_or_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="crontab"):
        Crontab(text, "UTC").following(utc(2026, 1, 1), 1)


def test_a_crontab_with_a_missing_field_says_how_many_it_has() -> None:
    with pytest.raises(UsageError, match="has 4 fields instead of 5"):
        Crontab("30 1 * *", "UTC").following(utc(2026, 1, 1), 1)


def test_an_unknown_zone_is_refused() -> None:
    for zone in ("Mars/Olympus", "../../etc/passwd", ""):
        with pytest.raises(UsageError, match="time zone"):
            Crontab("0 2 * * *", zone).following(utc(2026, 1, 1), 1)
