"""A proof and its verdict. The batch waits paused meanwhile, and nothing but the verdict lets it go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared import audit, batches, chunks
from shared.batches import Batch
from shared.errors import Conflict, NotFound
from shared.estimate import Estimate, Rate, estimate
from shared.look import Look
from shared.proofs.rules import ProofRules
from shared.proofs.sample import PROOF_IMAGES, add_sample
from shared.settings import Settings

BY_RULE = "rule"
"""Who approves a proof for which nobody came in time."""

ASKED = "it was asked for"

LOOKS_AT_FIRST = 64
"""Ordinals in which all looks of a batch are, since the jobs of a row follow each other."""

BATCHES_REMEMBERED = 100
"""Batches in which a look is looked for before it counts as new."""


@dataclass(frozen=True)
class Proof:
    """A proof as it stands. ``price`` is an Estimate as plain data; ``until``: then it goes on by rule.

    ``undecided`` while the batch is received, ``waiting`` for somebody, then ``approved`` or ``rejected``.
    """

    id: int
    merchant_id: int
    batch_id: UUID
    name: str
    sample_id: UUID | None
    why: str
    price: Mapping[str, Any] | None
    state: str
    until: datetime | None
    judged_by: str | None
    made_at: datetime

    @classmethod
    def from_row(cls, row: Row[Any]) -> Proof:
        """Build from a row of ``_SELECT``."""
        return cls(**row._asdict())

    def as_json(self) -> dict[str, object]:
        """Return it for programs."""
        return asdict(self)


@dataclass(frozen=True)
class Reason:
    """Why a batch is proved, what all of it takes, and when it goes on by itself, if ever."""

    why: str
    price: Estimate
    until: datetime | None = None


_SELECT = """
SELECT p.id, p.merchant_id, p.batch_id, b.name, p.sample_id, p.why, p.price, p.state, p.until, p.judged_by, p.made_at
FROM proofs p JOIN batches b ON b.id = p.batch_id
"""


def wait_for_input(connection: Connection, batch: Batch, *, asked: bool) -> None:
    """Pause a batch whose first row is still to come, until ``decide`` knows whether it is to be proved."""
    batches.set_paused(connection, batch, paused=True)
    connection.execute(
        text("INSERT INTO proofs (merchant_id, batch_id, state, why) VALUES (:merchant, :batch, 'undecided', :why)"),
        {"merchant": batch.merchant_id, "batch": batch.id, "why": ASKED if asked else ""},
    )


@dataclass(frozen=True)
class Circumstances:
    """What ``decide`` goes by: rules of now, the fleet's rate, prices, the column of categories, the moment."""

    rules: ProofRules | None
    rate: Rate
    settings: Settings
    category: str | None
    now: datetime


def decide(connection: Connection, batch: Batch, given: Circumstances) -> Proof | None:
    """Prove a sealed batch that waits for this, or let it go; return the proof if there is one."""
    found = proof_of(connection, batch.id)
    if found is None or found.state != "undecided":
        return found
    images = batch.total - batch.done
    why = _why(connection, batch, images, given.rules, asked=found.why == ASKED)
    if why is None:
        connection.execute(text("DELETE FROM proofs WHERE id = :id"), {"id": found.id})
        connection.execute(text("UPDATE batches SET paused = false WHERE id = :id"), {"id": batch.id})
        return None
    minutes = given.rules.go_on_minutes if given.rules else None
    until = None if minutes is None else given.now + timedelta(minutes=minutes)
    reason = Reason(why, estimate(images, given.rate, given.settings), until)
    return _begin(connection, batch, reason, given.settings, given.category)


def _why(connection: Connection, batch: Batch, images: int, rules: ProofRules | None, *, asked: bool) -> str | None:
    """Say why an upload is proved first, or None."""
    if batch.state != "running" or images <= PROOF_IMAGES:
        return None
    if asked:
        return ASKED
    if rules is not None and rules.above is not None and images > rules.above:
        return f"there are more than {rules.above} images"
    if rules is not None and rules.new_looks and (new := _new_look(connection, batch)) is not None:
        return f"the look {new.style} is new"
    return None


def _new_look(connection: Connection, batch: Batch) -> Look | None:
    """Return a look of a batch's that none of the merchant's last batches made anything in, previews left out."""
    found = connection.execute(
        text("""
        SELECT j.look FROM jobs j WHERE j.batch_id = :batch AND j.ordinal < :first AND j.look NOT IN (
            SELECT o.look FROM (
                SELECT id FROM batches WHERE merchant_id = :merchant AND queue <> 'preview' AND succeeded > 0
                ORDER BY id DESC LIMIT :batches) known
            JOIN jobs o ON o.batch_id = known.id AND o.ordinal < :first)
        ORDER BY j.ordinal LIMIT 1
        """),
        {
            "batch": batch.id,
            "merchant": batch.merchant_id,
            "first": LOOKS_AT_FIRST,
            "batches": BATCHES_REMEMBERED,
        },
    ).scalar_one_or_none()
    return None if found is None else Look.from_json(found)


def hold(connection: Connection, batch: Batch, reason: Reason, settings: Settings, category: str | None) -> Proof:
    """Pause a sealed batch, and have a sample of it styled. Call once in a transaction."""
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
    found = proof_of(connection, batch.id)
    assert found is not None
    return found


def priced(proof: Proof, sample: Batch | None, rate: Rate, settings: Settings) -> Mapping[str, Any] | None:
    """Return what a proof's batch takes; where no rate was known by then, as the sample went."""
    if proof.price is None or proof.price["seconds"] is not None or sample is None or sample.finished_at is None:
        return proof.price
    made = sample.succeeded - sample.reused
    seen = Rate(made / sample.seconds, rate.devices) if made else rate
    return asdict(estimate(proof.price["images"], seen, settings))


def proof_of(connection: Connection, batch_id: UUID) -> Proof | None:
    """Return the proof of a batch, if there is or was one."""
    row = connection.execute(text(f"{_SELECT} WHERE p.batch_id = :batch"), {"batch": batch_id}).one_or_none()
    return None if row is None else Proof.from_row(row)


def find_proof(connection: Connection, merchant: int, number: int) -> Proof:
    """Return a merchant's proof by its number. Raises NotFound."""
    row = connection.execute(
        text(f"{_SELECT} WHERE p.id = :id AND p.merchant_id = :merchant"), {"id": number, "merchant": merchant}
    ).one_or_none()
    if row is None:
        raise NotFound(f"no proof {number}: `atelier proofs list` lists them")
    return Proof.from_row(row)


def waiting_proofs(connection: Connection, merchant: int, *, after: int = 0, limit: int | None = None) -> list[Proof]:
    """Return a merchant's proofs that wait for somebody, oldest first, those ``after`` one; all without a ``limit``."""
    waiting = "p.state = 'waiting' AND b.state <> 'cancelled'"
    rows = connection.execute(
        text(f"{_SELECT} WHERE p.merchant_id = :merchant AND p.id > :after AND {waiting} ORDER BY p.id LIMIT :limit"),
        {"merchant": merchant, "after": after, "limit": limit},
    )
    return [Proof.from_row(row) for row in rows]


def approve(connection: Connection, proof: Proof, who: str) -> None:
    """Let a batch go on, and the looks of a night count as proved. Raises Conflict.

    If a night's window is over meanwhile, its images are the first of the next, which then needs no proof of them.
    """
    _judge(connection, proof, "approved", who)
    connection.execute(
        text("""
        UPDATE batches b SET paused = false WHERE id = :batch AND state = 'running'
          AND (queue <> 'nightly'
               OR NOT EXISTS (SELECT FROM pauses p WHERE p.merchant_id IS NULL OR p.merchant_id = b.merchant_id))
        """),
        {"batch": proof.batch_id},
    )


def reject(connection: Connection, proof: Proof, who: str) -> None:
    """Cancel a batch; the new looks of a night are planned no more until they are changed. Raises Conflict."""
    chunks.cancel_batch(connection, proof.batch_id)
    _judge(connection, proof, "rejected", who)


def _judge(connection: Connection, proof: Proof, verdict: str, who: str) -> None:
    """Write a verdict, also on those of a night's looks that are new and the same since it was planned."""
    done = connection.execute(
        text("UPDATE proofs SET state = :verdict, judged_by = :who WHERE id = :id AND state = 'waiting'"),
        {"id": proof.id, "verdict": verdict, "who": who},
    )
    if not done.rowcount:
        raise Conflict(f"proof {proof.id} waits for nobody: it is {proof.state}")
    connection.execute(
        text("""
        UPDATE catalog_looks l SET state = :verdict
        FROM batches b WHERE b.id = :batch AND l.merchant_id = b.merchant_id AND l.state = 'new'
          AND l.changed_at <= b.created_at AND l.id IN (SELECT look_id FROM night_images WHERE batch_id = b.id)
        """),
        {"batch": proof.batch_id, "verdict": verdict},
    )
    audit.record(connection, who, f"proof {verdict}", proof.merchant_id, {"proof": proof.id, "batch": proof.batch_id})


def approve_overdue(connection: Connection, now: datetime) -> int:
    """Approve the proofs whose rule says so, once there is a picture to be seen; return how many."""
    rows = connection.execute(
        text(f"""
        {_SELECT} JOIN batches s ON s.id = p.sample_id
        WHERE p.state = 'waiting' AND p.until <= :now AND b.state <> 'cancelled'
          AND s.finished_at IS NOT NULL AND s.succeeded > 0
        ORDER BY p.id
        """),
        {"now": now},
    ).all()
    for row in rows:
        approve(connection, Proof.from_row(row), BY_RULE)
    return len(rows)
