"""Schedules of nights: when they begin and end, and by which rules. They are rows, so edits take effect at once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.crontab import Crontab, end_after
from shared.errors import NotFound, UsageError
from shared.limits import MOST_IMAGES, MOST_MINUTES, require_above_zero, require_between, within_limits
from shared.merchants.presets import resolve_presets
from shared.presets import DEFAULT_PRESETS, require_presets
from shared.queue.batches import NIGHT_PAUSED

MOST_CHECKS = 10**9
"""Upper limit per day, more than any fleet can check."""

SHORTEST_WINDOW = timedelta(minutes=10)
"""Shortest window that surely fits one chunk, fetching included, even when the workers are busy."""


@dataclass(frozen=True)
class NightRules:
    """Rules of a night. None means no limit, or never.

    ``presets``        formats of the renditions; a change makes all renditions stale.
    ``images``         largest number of images; the rest comes first in the next night.
    ``gpu_minutes``    largest number of device minutes, at the measured rate.
    ``publish``        whether renditions are shown when the night ends, or by ``atelier catalog publish``.
    ``proof_above``    number of images above which a sample needs approval; one with a new look always does.
    ``go_on_minutes``  waiting time after which the night continues without approval.
    ``checks``         largest number of source checks per day; 0 for none.
    """

    presets: tuple[str, ...] = DEFAULT_PRESETS
    images: int | None = None
    gpu_minutes: float | None = None
    publish: bool = True
    proof_above: int | None = None
    go_on_minutes: float | None = None
    checks: int = 50_000

    def __post_init__(self) -> None:
        require_presets(self.presets)
        if self.images is not None:
            require_between("images of a night", self.images, 1, MOST_IMAGES)
        if self.gpu_minutes is not None:
            require_above_zero("gpu minutes of a night", self.gpu_minutes, MOST_MINUTES)
        if self.proof_above is not None:
            require_between("images above which a night is proved", self.proof_above, 0, MOST_IMAGES)
        if self.go_on_minutes is not None:
            require_above_zero("go on minutes of a night", self.go_on_minutes, MOST_MINUTES)
        require_between("checks of a day", self.checks, 0, MOST_CHECKS)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> NightRules:
        """Build from what ``json`` returned, possibly in another release."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        known |= within_limits(known, images=MOST_IMAGES, proof_above=MOST_IMAGES)
        known |= within_limits(known, gpu_minutes=MOST_MINUTES, go_on_minutes=MOST_MINUTES)
        return cls(**known | {"presets": tuple(known.get("presets", cls.presets))})

    @property
    def json(self) -> str:
        """Return the rules as JSON text."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Timing:
    """Start of nights, and the time of the zone's clock at which they end, if at all."""

    crontab: Crontab
    ends_at: time | None

    def end_of(self, slot: datetime) -> datetime | None:
        """Return the end of a slot's window."""
        return end_after(slot, self.ends_at, self.crontab.zone)


@dataclass(frozen=True)
class Schedule:
    """Schedule of a merchant's nights. Slots up to ``since`` have been handled."""

    id: int
    merchant_id: int
    merchant: str
    timing: Timing
    rules: NightRules
    since: datetime
    paused: bool

    @classmethod
    def from_row(cls, row: Row[Any]) -> Schedule:
        """Build from a row of ``SELECT``."""
        timing = Timing(Crontab(row.crontab, row.zone), row.ends_at)
        rules = NightRules.from_json(row.rules)
        return cls(row.id, row.merchant_id, row.merchant, timing, rules, row.since, row.paused)

    def as_json(self, now: datetime) -> dict[str, object]:
        """Return the schedule as plain data for programs, with its next slots."""
        crontab, ends_at = self.timing.crontab, self.timing.ends_at
        return {
            "merchant": self.merchant,
            "crontab": crontab.text,
            "zone": crontab.zone,
            "ends_at": ends_at.isoformat("minutes") if ends_at else None,
            "paused": self.paused,
            "next": [slot.isoformat() for slot in crontab.following(now, 3)],
        } | asdict(self.rules)


SELECT = """
SELECT s.id, s.merchant_id, m.name AS merchant, s.crontab, s.zone, s.ends_at, s.rules, s.since,
       EXISTS (SELECT FROM pauses p WHERE p.merchant_id IS NULL OR p.merchant_id = s.merchant_id) AS paused
FROM schedules s JOIN merchants m ON m.id = s.merchant_id
"""


def set_schedule(connection: Connection, merchant: int, timing: Timing, rules: NightRules, now: datetime) -> Schedule:
    """Create or change a merchant's schedule. Slots before ``now`` are not made up for.

    Raises UsageError if it never fires, if the window of one of the next slots is too short for any work, or if a
    preset is unknown.
    """
    resolve_presets(connection, merchant, rules.presets)
    for slot in timing.crontab.following(now, 24):
        end = timing.end_of(slot)
        if end is not None and end - slot < SHORTEST_WINDOW:
            raise UsageError(
                f"the window from {slot:%H:%M} to {end:%H:%M} UTC is too short for a chunk of work: "
                f"let it end at least {SHORTEST_WINDOW.seconds // 60} minutes after it begins"
            )
    connection.execute(
        text("""
        INSERT INTO schedules (merchant_id, kind, crontab, zone, ends_at, rules, since)
        VALUES (:merchant, 'nightly', :crontab, :zone, :ends_at, CAST(:rules AS jsonb), :now)
        ON CONFLICT ON CONSTRAINT uq_schedules_kind DO UPDATE SET crontab = excluded.crontab, zone = excluded.zone,
            ends_at = excluded.ends_at, rules = excluded.rules, since = greatest(schedules.since, excluded.since)
        """),
        {
            "merchant": merchant,
            "crontab": timing.crontab.text,
            "zone": timing.crontab.zone,
            "ends_at": timing.ends_at,
            "rules": rules.json,
            "now": now,
        },
    )
    schedule = find_schedule(connection, merchant)
    assert schedule is not None
    return schedule


def find_schedule(connection: Connection, merchant: int) -> Schedule | None:
    """Return a merchant's schedule, or None."""
    row = connection.execute(text(f"{SELECT} WHERE s.merchant_id = :merchant"), {"merchant": merchant}).one_or_none()
    return None if row is None else Schedule.from_row(row)


def list_schedules(connection: Connection, *, after: str = "", limit: int | None = None) -> list[Schedule]:
    """Return the schedules of all merchants by name: all, at most ``limit``, or those after the name ``after``."""
    rows = connection.execute(
        text(f'{SELECT} WHERE m.name COLLATE "C" > :after ORDER BY m.name COLLATE "C" LIMIT :limit'),
        {"after": after, "limit": limit},
    )
    return [Schedule.from_row(row) for row in rows]


def remove_schedule(connection: Connection, merchant: int) -> None:
    """Remove a merchant's schedule. Past nights stay on record. Raises NotFound."""
    deleted = connection.execute(text("DELETE FROM schedules WHERE merchant_id = :merchant"), {"merchant": merchant})
    if not deleted.rowcount:
        raise NotFound("the merchant has no schedule: `atelier schedules list` lists them")


_WHOSE = "(CAST(:merchant AS bigint) IS NULL OR merchant_id = CAST(:merchant AS bigint))"
_NIGHTS_UNDER_WAY = f"queue = 'nightly' AND state = 'running' AND {_WHOSE}"


@dataclass(frozen=True)
class Pause:
    """Pause of a merchant's nights, or of all (None): its start, and who made it."""

    merchant: str | None
    made_by: str
    made_at: datetime


def list_pauses(connection: Connection) -> list[Pause]:
    """Return the pauses, that of all nights first."""
    rows = connection.execute(
        text("""
        SELECT m.name, p.made_by, p.made_at FROM pauses p LEFT JOIN merchants m ON m.id = p.merchant_id
        ORDER BY m.name NULLS FIRST
        """)
    )
    return [Pause(*row) for row in rows]


def pause(connection: Connection, merchant: int | None, who: str) -> None:
    """Pause the nights of a merchant, or of all (None): none is planned, and running ones wait."""
    connection.execute(
        text("INSERT INTO pauses (merchant_id, made_by) VALUES (:merchant, :who) ON CONFLICT DO NOTHING"),
        {"merchant": merchant, "who": who},
    )
    connection.execute(text(f"UPDATE batches SET paused = true WHERE {_NIGHTS_UNDER_WAY}"), {"merchant": merchant})


def resume(connection: Connection, merchant: int | None, now: datetime) -> None:
    """End a pause. Missed slots are not made up for.

    A merchant's own pause of nights outlasts that of all, and the merchant's pause of one batch outlasts both.
    """
    values = {"merchant": merchant, "now": now}
    connection.execute(text("DELETE FROM pauses WHERE merchant_id IS NOT DISTINCT FROM :merchant"), values)
    connection.execute(text(f"UPDATE schedules SET since = greatest(since, :now) WHERE {_WHOSE}"), values)
    connection.execute(text(f"UPDATE batches SET resumed_at = clock_timestamp() WHERE {_NIGHTS_UNDER_WAY}"), values)
    connection.execute(
        text(f"""
        UPDATE batches b SET paused = merchant_paused OR {NIGHT_PAUSED} WHERE {_NIGHTS_UNDER_WAY}
          AND NOT EXISTS (SELECT FROM proofs p WHERE p.batch_id = b.id AND p.state IN ('waiting', 'undecided'))
        """),
        values,
    )
