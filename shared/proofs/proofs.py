"""A proof and its verdict. The batch waits paused meanwhile, and nothing but the verdict lets it go on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
from shared.proofs.rules import ProofRules
from shared.proofs.sample import PROOF_IMAGES, add_sample
from shared.queue import batches, chunks
from shared.queue.batches import Batch, BatchState
from shared.queue.estimate import Estimate, Rate, estimate
from shared.settings import Settings

BY_RULE = "rule"
"""Who approves a proof for which nobody came in time."""


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
    """A proof as it stands. ``price`` is an Estimate as plain data; ``until``: then it goes on by rule."""

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
        """Return it for programs."""
        return asdict(self)


@dataclass(frozen=True)
class Reason:
    """Why a batch is proved, what all of it takes, and when it goes on by itself, if ever."""

    why: str
    price: Estimate
    until: datetime | None = None


_SELECT = """
SELECT p.id, p.merchant_id, p.batch_id, b.name, p.sample_id, p.asked, p.why, p.price, p.state, p.until, p.judged_by,
       p.made_at
FROM proofs p JOIN batches b ON b.id = p.batch_id
"""


def wait_for_input(connection: Connection, batch: Batch, *, asked: bool) -> None:
    """Pause a batch whose first row is still to come, until ``decide`` knows whether it is to be proved."""
    batches.set_paused(connection, batch, paused=True)
    connection.execute(
        text("INSERT INTO proofs (merchant_id, batch_id, asked) VALUES (:merchant, :batch, :asked)"),
        {"merchant": batch.merchant_id, "batch": batch.id, "asked": asked},
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
    if found is None or found.state != ProofState.UNDECIDED:
        return found
    images = batch.total - batch.done
    why = _why(connection, batch, images, given.rules, asked=found.asked)
    if why is None:
        connection.execute(text("DELETE FROM proofs WHERE id = :id"), {"id": found.id})
        connection.execute(text("UPDATE batches SET paused = false WHERE id = :id"), {"id": batch.id})
        remember_looks(connection, batch.merchant_id, _looks(connection, batch.id))
        return None
    minutes = given.rules.go_on_minutes if given.rules else None
    until = None if minutes is None else given.now + timedelta(minutes=minutes)
    reason = Reason(why, estimate(images, given.rate, given.settings), until)
    return _begin(connection, batch, reason, given.settings, given.category)


def _why(connection: Connection, batch: Batch, images: int, rules: ProofRules | None, *, asked: bool) -> str | None:
    """Say why an upload is proved first, or None."""
    if batch.state != BatchState.RUNNING or images <= PROOF_IMAGES:
        return None
    if asked:
        return "it was asked for"
    if rules is not None and rules.above is not None and images > rules.above:
        return f"there are more than {rules.above} images"
    if rules is not None and rules.new_looks and (new := _new_look(connection, batch)) is not None:
        return f"the look {new.style} is new"
    return None


def _new_look(connection: Connection, batch: Batch) -> Look | None:
    """Return a look of a batch's in which none of the merchant's batches went ahead yet, if there is one."""
    found = connection.execute(
        text("""
        SELECT look FROM (SELECT DISTINCT look FROM jobs WHERE batch_id = :batch AND state = 'queued') mine
        WHERE look NOT IN (SELECT look FROM known_looks WHERE merchant_id = :merchant) ORDER BY look LIMIT 1
        """),
        {"batch": batch.id, "merchant": batch.merchant_id},
    ).scalar_one_or_none()
    return None if found is None else Look.from_json(found)


def _looks(connection: Connection, batch_id: UUID) -> list[Look]:
    found = connection.execute(text("SELECT DISTINCT look FROM jobs WHERE batch_id = :batch"), {"batch": batch_id})
    return [Look.from_json(look) for look in found.scalars()]


def remember_looks(connection: Connection, merchant: int, looks: Iterable[Look]) -> None:
    """Have looks in which a batch goes ahead be new no more."""
    connection.execute(
        text("""
        INSERT INTO known_looks
        SELECT DISTINCT CAST(:merchant AS bigint), look FROM jsonb_array_elements(CAST(:looks AS jsonb)) look
        ON CONFLICT DO NOTHING
        """),
        {"merchant": merchant, "looks": json.dumps([look.to_json() for look in looks])},
    )


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
    # As everywhere: the batch before its proof.
    connection.execute(text("SELECT 1 FROM batches WHERE id = :batch FOR UPDATE"), {"batch": proof.batch_id})
    _judge(connection, proof, ProofState.APPROVED, who)
    remember_looks(connection, proof.merchant_id, _looks(connection, proof.batch_id))
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
    _judge(connection, proof, ProofState.REJECTED, who)


def _judge(connection: Connection, proof: Proof, verdict: ProofState, who: str) -> None:
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


def approve_overdue(engine: Engine, now: datetime) -> int:
    """Approve the proofs whose rule says so, once there is a picture to be seen; return how many.

    Each in a transaction of its own: somebody may judge one of them at this moment.
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
