"""Slots: the instants at which a crontab fires in a time zone.

The crontab's syntax is Celery's. The wall clock of a zone has gaps and folds: a time that a change to summer time
skips fires as soon as the clock has jumped over it, and one that comes twice fires once, the first time.
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
"""29 February is eight years away at most; a crontab that does not fire in nine never does."""


@dataclass(frozen=True)
class Crontab:
    """Minute, hour, day of month, month and day of week (0 is Sunday), all of which must agree, in a zone."""

    text: str
    zone: str

    def slots(self, after: datetime) -> Iterator[datetime]:
        """Yield the instants after one, in order, in UTC, for nine years. Raises UsageError on what cannot be read."""
        zone, fields = find_zone(self.zone), _parse(self.text)
        times = [time(hour, minute) for hour in sorted(fields.hour) for minute in sorted(fields.minute)]
        day = after.astimezone(zone).date() - timedelta(days=1)  # a gap may carry a slot past midnight
        last, before = day + FAR, after
        while day < last:
            if _matches(fields, day):
                for instant in sorted({instant_of(day, one, zone) for one in times}):
                    if instant > before:
                        before = instant
                        yield instant
            day += timedelta(days=1)

    def between(self, after: datetime, until: datetime, most: int) -> list[datetime]:
        """Return the newest ``most`` slots after one instant and not after another."""
        return list(deque(takewhile(lambda slot: slot <= until, self.slots(after)), most))

    def following(self, after: datetime, count: int) -> list[datetime]:
        """Return the next slots. Raises UsageError where there will never be one."""
        found = list(islice(self.slots(after), count))
        if not found:
            raise UsageError(f"crontab {self.text!r} never fires: there is no such day")
        return found


def find_zone(name: str) -> ZoneInfo:
    """Return a zone by its IANA name. Raises UsageError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"time zone {name!r} is unknown: write one as Europe/Berlin or UTC") from None


def end_after(slot: datetime, ends_at: time | None, zone: str) -> datetime | None:
    """Return the first instant after a slot at which the zone's clock shows ``ends_at``; None has no end."""
    if ends_at is None:
        return None
    found = find_zone(zone)
    day = slot.astimezone(found).date()
    return next(end for n in range(3) if (end := instant_of(day + timedelta(days=n), ends_at, found)) > slot)


def instant_of(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """Return the first instant at which a clock of the zone shows a time, or has just jumped over it."""
    local = datetime.combine(day, wall, zone)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    # In a gap ``fold`` 1 takes the offset after the jump, which gives an instant before it.
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
        raise UsageError(
            f"crontab {text!r} cannot be read ({error}): write minute, hour, day of month, month and day of week, as in"
            " '30 1 * * *'"
        ) from None


def _matches(fields: crontab, day: date) -> bool:
    return (
        day.month in fields.month_of_year
        and day.day in fields.day_of_month
        and day.isoweekday() % 7 in fields.day_of_week
    )
