"""Compute slots: the times at which a crontab fires in a time zone.

The crontab's syntax is Celery's. When a clock change skips a time, the slot fires right after the jump. When it
repeats a time, the slot fires once, the first time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.errors import UsageError

if TYPE_CHECKING:
    from celery.schedules import crontab

FAR = timedelta(days=366 * 9)
"""29 February is at most eight years away, so a crontab that does not fire in nine years never does."""


@dataclass(frozen=True)
class Crontab:
    """Minute, hour, day of month, month and day of week (0 is Sunday) in a time zone. All fields must match."""

    text: str
    zone: str

    def slots(self, after: datetime) -> Iterator[datetime]:
        """Yield the slots after a time, in order, in UTC, for nine years. Raises UsageError for an invalid crontab."""
        zone, fields = find_zone(self.zone), _parse(self.text)
        times = [time(hour, minute) for hour in sorted(fields.hour) for minute in sorted(fields.minute)]
        day = after.astimezone(zone).date() - timedelta(days=1)  # a gap may move a slot past midnight
        last, before = day + FAR, after
        while day < last:
            if _matches(fields, day):
                for instant in sorted({instant_of(day, wall, zone) for wall in times}):
                    if instant > before:
                        before = instant
                        yield instant
            day += timedelta(days=1)

    def between(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """Return the newest ``most`` slots after one time and up to another."""
        return list(deque(takewhile(lambda slot: slot <= until, self.slots(after)), most))

    def following(self, after: datetime, count: int) -> list[datetime]:
        """Return the next slots. Raises UsageError if there will never be one."""
        slots = list(islice(self.slots(after), count))
        if not slots:
            raise UsageError(f"crontab {self.text!r} never fires: no day matches")
        return slots


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises UsageError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"time zone {name!r} is unknown: write for example Europe/Berlin or UTC") from None


def end_after(slot: datetime, ends_at: time | None, zone: str) -> datetime | None:
    """Return the first time after a slot at which the zone's clock shows ``ends_at``; None for no end."""
    if ends_at is None:
        return None
    zone_info = find_zone(zone)
    day = slot.astimezone(zone_info).date()
    return next(end for n in range(3) if (end := instant_of(day + timedelta(days=n), ends_at, zone_info)) > slot)


def instant_of(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """Return the first instant at which the zone's clock shows a time or has just jumped over it."""
    local = datetime.combine(day, wall, zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    # In a gap, ``fold`` 1 takes the offset after the jump, which gives an instant before the gap.
    low, high = local.replace(fold=1).astimezone(UTC), instant
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) / 2
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == offset else (low, middle)
    return high.replace(second=0, microsecond=0)


def _parse(text: str) -> crontab:
    from celery.schedules import ParseException, crontab  # here, so that what reads no crontab does not load it

    try:
        return crontab.from_string(text)
    except (ValueError, ParseException, TypeError) as error:
        why = f" ({error})" if len(text.split()) == 5 else f" (it has {len(text.split())} fields instead of 5)"
        raise UsageError(
            f"crontab {text!r} is not valid{why}: write minute, hour, day of month, month and day of week, as in"
            " '30 1 * * *'"
        ) from None


def _matches(fields: crontab, day: date) -> bool:
    return (
        day.month in fields.month_of_year
        and day.day in fields.day_of_month
        and day.isoweekday() % 7 in fields.day_of_week
    )
