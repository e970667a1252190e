"""Schedule training runs: at every slot of a crontab, or at every slot at which the photos have drifted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.crontab import Crontab
from shared.errors import NotFound, UsageError
from shared.models.training.requests import Depth, RunSpec


@dataclass(frozen=True)
class TrainingSchedule:
    """A schedule. With the trigger ``drift`` a run examines the photos first, and trains only if they have changed.

    Slots up to ``since`` have been handled.
    """

    id: int
    trigger: str
    crontab: Crontab
    wanted: RunSpec
    since: datetime

    @classmethod
    def from_row(cls, row: Row[Any]) -> TrainingSchedule:
        """Build from a row of ``SELECT``."""
        return cls(row.id, row.trigger, Crontab(row.crontab, row.zone), RunSpec.from_json(row.wanted), row.since)

    def as_json(self, now: datetime) -> dict[str, object]:
        """Return the schedule as plain data for programs, with its next slots."""
        return {
            "trigger": self.trigger,
            "crontab": self.crontab.text,
            "zone": self.crontab.zone,
            "train": self.wanted.depth,
            "styles": self.wanted.styles,
            "steps": self.wanted.steps,
            "rule": self.wanted.rule,
            "canary": self.wanted.canary,
            "next": [slot.isoformat() for slot in self.crontab.following(now, 3)],
        }


SELECT = "SELECT id, trigger, crontab, zone, wanted, since FROM training_schedules"


def set_schedule(
    connection: Connection, trigger: str, crontab: Crontab, wanted: RunSpec, now: datetime
) -> TrainingSchedule:
    """Create or change the schedule of a trigger. Slots before ``now`` are not made up for.

    Raises UsageError if it never fires, or if it would change vectors of the champion unattended.
    """
    crontab.following(now, 1)
    if wanted.depth == Depth.STYLE:
        raise UsageError(
            "style vectors take effect at once, so only a person may train them: schedule --train decoder or all"
        )
    row = connection.execute(
        text("""
        INSERT INTO training_schedules (trigger, crontab, zone, wanted, since)
        VALUES (:trigger, :crontab, :zone, CAST(:wanted AS jsonb), :now)
        ON CONFLICT (trigger) DO UPDATE SET crontab = excluded.crontab, zone = excluded.zone,
            wanted = excluded.wanted, since = greatest(training_schedules.since, excluded.since)
        RETURNING id, trigger, crontab, zone, wanted, since
        """),
        {"trigger": trigger, "crontab": crontab.text, "zone": crontab.zone, "wanted": wanted.json, "now": now},
    ).one()
    return TrainingSchedule.from_row(row)


def list_schedules(connection: Connection) -> list[TrainingSchedule]:
    """Return the schedules."""
    return [TrainingSchedule.from_row(row) for row in connection.execute(text(f"{SELECT} ORDER BY id"))]


def remove_schedule(connection: Connection, trigger: str) -> None:
    """Remove the schedule of a trigger. Raises NotFound."""
    deleted = connection.execute(text("DELETE FROM training_schedules WHERE trigger = :trigger"), {"trigger": trigger})
    if not deleted.rowcount:
        raise NotFound(f"there is no training schedule {trigger!r}: `atelier runs schedules` lists them")


def open_slots(connection: Connection, now: datetime) -> list[tuple[TrainingSchedule, datetime]]:
    """Take the newest slot that has come for each schedule. Earlier ones are skipped.

    The schedules stay locked until the transaction ends, so that no slot is taken twice.
    """
    rows = connection.execute(text(f"{SELECT} ORDER BY id FOR UPDATE SKIP LOCKED")).all()
    opened = []
    for schedule in map(TrainingSchedule.from_row, rows):
        if slots := schedule.crontab.between(schedule.since, now, 1):
            connection.execute(
                text("UPDATE training_schedules SET since = :slot WHERE id = :id"),
                {"id": schedule.id, "slot": slots[0]},
            )
            opened.append((schedule, slots[0]))
    return opened
