"""Create a proof, and record its decision. The batch stays paused until then."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from shared.database import transaction
from shared.errors import Conflict, NotFound
from shared.look import Look
from shared.merchants import audit
from shared.proofs.sample import PROOF_IMAGES, add_sample
from shared.proofs.upload_rules import ProofRules
from shared.queue import batches, chunks
from shared.queue.batches import Batch, BatchState
from shared.queue.estimate import Estimate, Rate, estimate
from shared.settings import Settings

NUMBER = re.compile("[0-9]{1,18}")

BY_RULE = "rule"
"""Actor of an approval that a rule gives after the waiting time."""


class ProofState(StrEnum):
    """What has become of a proof."""

    UNDECIDED = "undecided"
    """The batch is still being received: whether it needs approval is decided by its last row."""
    WAITING = "waiting"
    """The sample is made, and somebody has to approve it."""
    APPROVED = "approved"
    """The batch runs."""
    REJECTED = "rejected"
    """The batch was cancelled."""


@dataclass(frozen=True)
class Proof:
    """Proof as stored. ``price`` is an Estimate as plain data; at ``until`` a rule approves it."""

    id: int
    merchant_id: int
    batch_id: UUID
    name: str
    sample_id: UUID | None
    asked: bool
    why: str
    price: Mapping[str, Any] | None
    state: ProofState
    until: datetime | None
    judged_by: str | None
    made_at: datetime

    @classmethod
    def from_row(cls, row: Row[Any]) -> Proof:
        """Build from a row of ``_SELECT``."""
        return cls(**row._asdict() | {"state": ProofState(row.state)})

    def as_json(self) -> dict[str, object]:
        """Return the proof as plain data for programs."""
        return asdict(self)


@dataclass(frozen=True)
class Reason:
    """Why a batch needs approval of its sample, what the whole batch costs, and when it continues by rule, if ever."""

    why: str
    price: Estimate
    until: datetime | None = None


_SELECT = """
SELECT p.id, p.merchant_id, p.batch_id, b.name, p.sample_id, p.asked, p.why, p.price, p.state, p.until, p.judged_by,
       p.made_at
FROM proofs p JOIN batches b ON b.id = p.batch_id
"""


def wait_for_input(connection: Connection, batch: Batch, *, asked: bool) -> None:
    """Pause a batch before its first row, until ``decide`` knows whether it needs approval of its sample."""
    batches.wait_for_approval(connection, batch.id)
    connection.execute(
        text("INSERT INTO proofs (merchant_id, batch_id, asked) VALUES (:merchant, :batch, :asked)"),
        {"merchant": batch.merchant_id, "batch": batch.id, "asked": asked},
    )


@dataclass(frozen=True)
class Circumstances:
    """Input of ``decide``: current rules, the fleet's rate, prices, the column of categories, and the time."""

    rules: ProofRules | None
    rate: Rate
    settings: Settings
    category: str | None
    now: datetime


def decide(connection: Connection, batch: Batch, circumstances: Circumstances) -> Proof | None:
    """Create the proof of an undecided sealed batch, or let the batch run; return the proof if there is one."""
    proof = proof_of(connection, batch.id)
    if proof is None or proof.state != ProofState.UNDECIDED:
        return proof
    images = batch.total - batch.done
    why = _why(connection, batch, images, circumstances.rules, asked=proof.asked)
    if why is None:
        connection.execute(text("DELETE FROM proofs WHERE id = :id"), {"id": proof.id})
        batches.let_go_on(connection, batch.id)
        remember_looks(connection, batch.merchant_id, _looks(connection, batch.id))
        return None
    minutes = circumstances.rules.go_on_minutes if circumstances.rules else None
    until = None if minutes is None else circumstances.now + timedelta(minutes=minutes)
    reason = Reason(why, estimate(images, circumstances.rate, circumstances.settings), until)
    return _begin(connection, batch, reason, circumstances.settings, circumstances.category)


def _why(connection: Connection, batch: Batch, images: int, rules: ProofRules | None, *, asked: bool) -> str | None:
    """Return why an upload needs approval of its sample, or None."""
    if batch.state != BatchState.RUNNING or images <= PROOF_IMAGES:
        return None
    if asked:
        return "it was requested"
    if rules is not None and rules.above is not None and images > rules.above:
        return f"there are more than {rules.above} images"
    if rules is not None and rules.new_looks and (new := _new_look(connection, batch)) is not None:
        return f"the look {new.style} is new"
    return None


def _new_look(connection: Connection, batch: Batch) -> Look | None:
    """Return a look of the batch that no earlier batch of the merchant ran in, or None."""
    look = connection.execute(
        text("""
        SELECT look FROM (SELECT DISTINCT look FROM jobs WHERE batch_id = :batch AND state = 'queued') mine
        WHERE NOT EXISTS (SELECT FROM known_looks k WHERE k.merchant_id = :merchant AND k.look = mine.look)
        ORDER BY look LIMIT 1
        """),
        {"batch": batch.id, "merchant": batch.merchant_id},
    ).scalar_one_or_none()
    return None if look is None else Look.from_json(look)


def _looks(connection: Connection, batch_id: UUID) -> list[Look]:
    looks = connection.execute(text("SELECT DISTINCT look FROM jobs WHERE batch_id = :batch"), {"batch": batch_id})
    return [Look.from_json(look) for look in looks.scalars()]


def remember_looks(connection: Connection, merchant: int, looks: Iterable[Look]) -> None:
    """Record looks that a batch runs in, so that they are no longer new."""
    connection.execute(
        text("""
        INSERT INTO known_looks
        SELECT DISTINCT CAST(:merchant AS bigint), look FROM jsonb_array_elements(CAST(:looks AS jsonb)) look
        ON CONFLICT DO NOTHING
        """),
        {"merchant": merchant, "looks": json.dumps([look.to_json() for look in looks])},
    )


def require_approval(
    connection: Connection, batch: Batch, reason: Reason, settings: Settings, category: str | None
) -> Proof:
    """Pause a sealed batch, and queue its sample. Call it once per transaction."""
    wait_for_input(connection, batch, asked=False)
    return _begin(connection, batch, reason, settings, category)


def _begin(connection: Connection, batch: Batch, reason: Reason, settings: Settings, category: str | None) -> Proof:
    sample = add_sample(connection, batch, settings, category)
    connection.execute(
        text("""
        UPDATE proofs SET sample_id = :sample, state = 'waiting', why = :why, price = CAST(:price AS jsonb),
            until = :until
        WHERE batch_id = :batch
        """),
        {
            "batch": batch.id,
            "sample": sample,
            "why": reason.why,
            "price": json.dumps(asdict(reason.price)),
            "until": reason.until,
        },
    )
    proof = proof_of(connection, batch.id)
    assert proof is not None
    return proof


def priced(proof: Proof, sample: Batch | None, rate: Rate, settings: Settings) -> Mapping[str, Any] | None:
    """Return the price of a proof's batch. If no rate was known before, use that of the sample."""
    if proof.price is None or proof.price["seconds"] is not None or sample is None or sample.finished_at is None:
        return proof.price
    made = sample.succeeded - sample.reused
    sample_rate = Rate(made / sample.seconds, rate.devices) if made else rate
    return asdict(estimate(proof.price["images"], sample_rate, settings))


def proof_of(connection: Connection, batch_id: UUID) -> Proof | None:
    """Return the proof of a batch, or None."""
    row = connection.execute(text(f"{_SELECT} WHERE p.batch_id = :batch"), {"batch": batch_id}).one_or_none()
    return None if row is None else Proof.from_row(row)


def find_proof(connection: Connection, merchant: int, wanted: int | str) -> Proof:
    """Return a merchant's proof by its number, or by its batch's id or first characters. Raises NotFound."""
    row = None
    if isinstance(wanted, int) or NUMBER.fullmatch(wanted):
        row = connection.execute(
            text(f"{_SELECT} WHERE p.id = :id AND p.merchant_id = :merchant"), {"id": int(wanted), "merchant": merchant}
        ).one_or_none()
    if row is not None:
        return Proof.from_row(row)
    with suppress(NotFound):
        if proof := proof_of(connection, batches.find_batch(connection, merchant, str(wanted)).id):
            return proof
    raise NotFound(f"no proof {wanted!r}: `atelier proofs list` lists them, and which batches wait for approval")


def waiting_numbers(connection: Connection, batch_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the numbers of the proofs that some batches wait for, by batch."""
    rows = connection.execute(
        text("SELECT batch_id, id FROM proofs WHERE batch_id = ANY(:ids) AND state = 'waiting'"),
        {"ids": list(batch_ids)},
    )
    return {row.batch_id: row.id for row in rows}


def waiting_proofs(connection: Connection, merchant: int, *, after: int = 0, limit: int | None = None) -> list[Proof]:
    """Return a merchant's waiting proofs, oldest first: all, at most ``limit``, or those after the proof ``after``."""
    waiting = "p.state = 'waiting' AND b.state <> 'cancelled'"
    rows = connection.execute(
        text(f"{_SELECT} WHERE p.merchant_id = :merchant AND p.id > :after AND {waiting} ORDER BY p.id LIMIT :limit"),
        {"merchant": merchant, "after": after, "limit": limit},
    )
    return [Proof.from_row(row) for row in rows]


def approve(connection: Connection, proof: Proof, who: str) -> None:
    """Let a batch run, and mark the looks of a night as approved. Raises Conflict.

    If the night's window has ended, its images come first in the next night, which then needs no approval of them.
    """
    # Lock the batch before its proof, as everywhere.
    connection.execute(text("SELECT 1 FROM batches WHERE id = :batch FOR UPDATE"), {"batch": proof.batch_id})
    _record_decision(connection, proof, ProofState.APPROVED, who)
    remember_looks(connection, proof.merchant_id, _looks(connection, proof.batch_id))
    batches.let_go_on(connection, proof.batch_id)


def reject(connection: Connection, proof: Proof, who: str) -> None:
    """Cancel a batch. New looks of a night are not planned again until they change. Raises Conflict."""
    chunks.cancel_batch(connection, proof.batch_id)
    _record_decision(connection, proof, ProofState.REJECTED, who)


def _record_decision(connection: Connection, proof: Proof, state: ProofState, who: str) -> None:
    """Record a decision, also on those of the night's looks that are new and unchanged since it was planned."""
    updated = connection.execute(
        text("UPDATE proofs SET state = :state, judged_by = :who WHERE id = :id AND state = 'waiting'"),
        {"id": proof.id, "state": state, "who": who},
    )
    if not updated.rowcount:
        raise Conflict(f"proof {proof.id} is not waiting for approval: it is {proof.state}")
    connection.execute(
        text("""
        UPDATE catalog_looks l SET state = :state
        FROM batches b WHERE b.id = :batch AND l.merchant_id = b.merchant_id AND l.state = 'new'
          AND l.changed_at <= b.created_at AND l.id IN (SELECT look_id FROM night_images WHERE batch_id = b.id)
        """),
        {"batch": proof.batch_id, "state": state},
    )
    audit.record(connection, who, f"proof {state}", proof.merchant_id, {"proof": proof.id, "batch": proof.batch_id})


def approve_overdue(engine: Engine, now: datetime) -> int:
    """Approve the proofs whose waiting time is over, once their sample has a picture; return how many.

    Each has a transaction of its own, since somebody may decide one of them at this moment.
    """
    with transaction(engine) as connection:
        rows = connection.execute(
            text(f"""
            {_SELECT} JOIN batches s ON s.id = p.sample_id
            WHERE p.state = 'waiting' AND p.until <= :now AND b.state <> 'cancelled'
              AND s.finished_at IS NOT NULL AND s.succeeded > 0
            ORDER BY p.id
            """),
            {"now": now},
        ).all()
    approved = 0
    for row in rows:
        with suppress(Conflict), transaction(engine) as connection:
            approve(connection, Proof.from_row(row), BY_RULE)
            approved += 1
    return approved
