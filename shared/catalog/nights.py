"""Nights: one unique row per slot of a schedule, and its result.

Planning happens under a lease: the planner's writes name the lease's integer, so that only one of two planners can
write, and the next one takes over from a dead one.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared.catalog.schedules import SELECT as SCHEDULES
from shared.catalog.schedules import NightRules, Schedule
from shared.errors import LeaseLost, NotFound

LEASE_SECONDS = 300
"""Planning a million images takes well below a minute; a planner that takes longer than this is dead."""

MOST_LEASES = 5
"""Number of times that planning may die before the night fails."""

SLOTS_ON_RECORD = 50
"""Number of missed slots, the newest, that are recorded after a long outage."""


class NightState(StrEnum):
    """What has become of a night."""

    PLANNING = "planning"
    """It is to be planned, or somebody plans it now."""
    PLANNED = "planned"
    """It has its batch, unless no image was stale."""
    MISSED = "missed"
    """The window was over before anybody could plan it."""
    FAILED = "failed"
    """Planning was refused, or died again and again."""


@dataclass(frozen=True)
class Night:
    """Night as stored. ``plan`` is the plan as plain data."""

    id: int
    merchant_id: int
    merchant: str
    slot: datetime
    ends_at: datetime | None
    state: NightState
    lease: int
    rules: NightRules
    plan: dict[str, Any] | None
    batch_id: UUID | None
    proof_id: int | None
    proof: str
    proof_batch_id: UUID | None
    settled_at: datetime | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> Night:
        """Build from a row of ``SELECT``."""
        return cls(**row._asdict() | {"rules": NightRules.from_json(row.rules), "state": NightState(row.state)})

    def as_json(self) -> dict[str, object]:
        """Return the night as plain data for programs."""
        return asdict(self)


COLUMNS = """n.id, n.merchant_id, m.name AS merchant, n.slot, n.ends_at, n.state, n.lease, n.rules, n.plan, n.batch_id,
    p.id AS proof_id, coalesce(p.state, 'none') AS proof, p.sample_id AS proof_batch_id, n.settled_at"""
JOINED = "JOIN merchants m ON m.id = n.merchant_id LEFT JOIN proofs p ON p.batch_id = n.batch_id"
SELECT = f"SELECT {COLUMNS} FROM nights n {JOINED}"


def open_slots(connection: Connection, now: datetime) -> int:
    """Create nights for slots that have come, of schedules that are not paused; return how many are to be planned.

    Of several missed slots, the newest is planned if its window is still open; the others are recorded as missed.
    Schedules are locked, and a slot is unique, so two beats create one night.
    """
    rows = connection.execute(
        text(f"""
        {SCHEDULES} WHERE m.erasing_at IS NULL AND NOT EXISTS (
            SELECT FROM pauses p WHERE p.merchant_id IS NULL OR p.merchant_id = s.merchant_id)
        ORDER BY s.id FOR UPDATE OF s SKIP LOCKED
        """)
    ).all()
    return sum(_open(connection, Schedule.from_row(row), now) for row in rows)


def _open(connection: Connection, schedule: Schedule, now: datetime) -> int:
    slots = schedule.timing.crontab.between(schedule.since, now, SLOTS_ON_RECORD)
    if not slots:
        return 0
    newest, end = slots[-1], schedule.timing.end_of(slots[-1])
    in_time = end is None or end > now
    for slot in slots:
        _add(connection, schedule, slot, NightState.PLANNING if slot == newest and in_time else NightState.MISSED)
    connection.execute(text("UPDATE schedules SET since = :slot WHERE id = :id"), {"id": schedule.id, "slot": newest})
    return int(in_time)


def _add(connection: Connection, schedule: Schedule, slot: datetime, state: NightState) -> None:
    connection.execute(
        text("""
        INSERT INTO nights (merchant_id, schedule_id, slot, ends_at, state, rules, settled_at)
        VALUES (:merchant, :schedule, :slot, :end, CAST(:state AS text), CAST(:rules AS jsonb),
                CASE WHEN CAST(:state AS text) = 'missed' THEN clock_timestamp() END)
        ON CONFLICT ON CONSTRAINT uq_nights_slot DO NOTHING
        """),
        {
            "merchant": schedule.merchant_id,
            "schedule": schedule.id,
            "slot": slot,
            "end": schedule.timing.end_of(slot),
            "state": state,
            "rules": schedule.rules.json,
        },
    )


def begin_now(connection: Connection, merchant: int, rules: NightRules, now: datetime) -> int:
    """Create a night by hand, without a window, to be planned; return its id."""
    night_id = connection.execute(
        text("""
        INSERT INTO nights (merchant_id, slot, rules) VALUES (:merchant, :now, CAST(:rules AS jsonb)) RETURNING id
        """),
        {"merchant": merchant, "now": now, "rules": rules.json},
    )
    return int(night_id.scalar_one())


def give_up(connection: Connection, now: datetime) -> None:
    """Close nights that can no longer be planned, as missed or as failed."""
    connection.execute(
        text("""
        UPDATE nights SET settled_at = clock_timestamp(), lease_expires_at = NULL,
            state = CASE WHEN lease >= :most THEN 'failed' ELSE 'missed' END,
            plan = jsonb_build_object('warnings', jsonb_build_array(
                CASE WHEN lease >= :most THEN 'planning died ' || lease || ' times: look at the log of the workers'
                     ELSE 'the window was over before the night could be planned' END))
        WHERE state = 'planning' AND settled_at IS NULL
          AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())
          AND (lease >= :most OR ends_at <= :now)
        """),
        {"most": MOST_LEASES, "now": now},
    )


def lease_night(connection: Connection, only: int | None = None) -> Night | None:
    """Lease a night that waits for planning, or None. ``only``: this one."""
    row = connection.execute(
        text(f"""
        WITH n AS (
            UPDATE nights SET lease = lease + 1,
                lease_expires_at = clock_timestamp() + make_interval(secs => :seconds)
            WHERE id = (
                SELECT id FROM nights
                WHERE state = 'planning' AND settled_at IS NULL
                  AND (CAST(:only AS bigint) IS NULL OR id = CAST(:only AS bigint))
                  AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())
                ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING *
        )
        SELECT {COLUMNS} FROM n {JOINED}
        """),
        {"seconds": LEASE_SECONDS, "only": only},
    ).one_or_none()
    return None if row is None else Night.from_row(row)


@dataclass(frozen=True)
class Planned:
    """Result of planning a night."""

    plan: dict[str, Any]
    batch_id: UUID | None = None


def close_planning(
    connection: Connection, night: Night, planned: Planned, state: NightState = NightState.PLANNED
) -> None:
    """Write the plan, under the lease. Raises LeaseLost; then the transaction must not commit anything else."""
    updated = connection.execute(
        text("""
        UPDATE nights SET state = :state, lease_expires_at = NULL, plan = CAST(:plan AS jsonb), batch_id = :batch,
            settled_at = CASE WHEN CAST(:batch AS uuid) IS NULL THEN clock_timestamp() END
        WHERE id = :id AND state = 'planning' AND lease = :lease
        """),
        {
            "id": night.id,
            "lease": night.lease,
            "state": state,
            "plan": json.dumps(planned.plan),
            "batch": planned.batch_id,
        },
    )
    if updated.rowcount != 1:
        raise LeaseLost(f"night {night.id} was given to another planner (lease {night.lease} is over)")


def adopt_proofs(connection: Connection) -> None:
    """Adopt the proofs of nights that a worker of an earlier release has planned, which stored them on the night."""
    connection.execute(
        text("""
        INSERT INTO proofs (merchant_id, batch_id, sample_id, why, price, state, until)
        SELECT merchant_id, batch_id, proof_batch_id, coalesce(plan ->> 'proof', ''), plan, 'waiting', proof_until
        FROM nights n WHERE settled_at IS NULL AND proof = 'waiting' AND batch_id IS NOT NULL
        ON CONFLICT DO NOTHING
        """)
    )


def get_night(connection: Connection, merchant: int, night_id: int) -> Night:
    """Return a merchant's night. Raises NotFound."""
    row = connection.execute(
        text(f"{SELECT} WHERE n.id = :id AND n.merchant_id = :merchant"), {"id": night_id, "merchant": merchant}
    ).one_or_none()
    if row is None:
        raise NotFound(f"no night {night_id}: `atelier schedules calendar` lists them")
    return Night.from_row(row)


def list_nights(connection: Connection, merchant: int, limit: int) -> list[Night]:
    """Return a merchant's newest nights."""
    rows = connection.execute(
        text(f"{SELECT} WHERE n.merchant_id = :merchant ORDER BY n.id DESC LIMIT :limit"),
        {"merchant": merchant, "limit": limit},
    )
    return [Night.from_row(row) for row in rows]


def last_nights(connection: Connection, merchants: Collection[int]) -> dict[int, Night]:
    """Return the newest night of each of these merchants, by merchant."""
    rows = connection.execute(
        text(f"""
        SELECT last.* FROM unnest(CAST(:merchants AS bigint[])) one (id) CROSS JOIN LATERAL (
            {SELECT} WHERE n.merchant_id = one.id ORDER BY n.id DESC LIMIT 1) last
        """),
        {"merchants": list(merchants)},
    )
    return {row.merchant_id: Night.from_row(row) for row in rows}


def unsettled_nights(connection: Connection) -> list[Night]:
    """Return all merchants' planned nights whose batches have not been settled, oldest first."""
    rows = connection.execute(
        text(f"{SELECT} WHERE n.settled_at IS NULL AND n.state = 'planned' AND n.batch_id IS NOT NULL ORDER BY n.id")
    )
    return [Night.from_row(row) for row in rows]
