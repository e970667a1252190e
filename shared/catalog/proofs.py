"""Proofs: a night that is large, or has a new look, waits paused until somebody has seen a sample of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from shared import audit, chunks
from shared.catalog.nights import SELECT, Night
from shared.errors import Conflict

BY_RULE = "rule"
"""Who approves a proof for which nobody came in time."""


def waiting_proofs(connection: Connection, merchant: int) -> list[Night]:
    """Return a merchant's nights whose proof waits, oldest first."""
    rows = connection.execute(
        text(f"{SELECT} WHERE n.proof = 'waiting' AND n.merchant_id = :merchant ORDER BY n.id"), {"merchant": merchant}
    )
    return [Night.from_row(row) for row in rows]


def approve(connection: Connection, night: Night, who: str) -> None:
    """Let a night go on, and its looks count as proved. Raises Conflict.

    If its window is over meanwhile, its images are the first of the next night, which then needs no proof of them.
    """
    _judge(connection, night, "approved", who)
    connection.execute(
        text("""
        UPDATE batches b SET paused = false WHERE id = :batch AND state = 'running'
          AND NOT EXISTS (SELECT FROM pauses p WHERE p.merchant_id IS NULL OR p.merchant_id = b.merchant_id)
        """),
        {"batch": night.batch_id},
    )


def reject(connection: Connection, night: Night, who: str) -> None:
    """Cancel a night; its new looks are planned no more until they are changed. Raises Conflict."""
    assert night.batch_id is not None or night.proof != "waiting"
    if night.batch_id is not None:
        chunks.cancel_batch(connection, night.batch_id)
    _judge(connection, night, "rejected", who)


def _judge(connection: Connection, night: Night, verdict: str, who: str) -> None:
    """Write a verdict on a night, and on those of its looks that are new and the same since it was planned."""
    done = connection.execute(
        text("UPDATE nights SET proof = :verdict, judged_by = :who WHERE id = :id AND proof = 'waiting'"),
        {"id": night.id, "verdict": verdict, "who": who},
    )
    if not done.rowcount:
        raise Conflict(f"the proof of night {night.id} waits for nobody: it is {night.proof}")
    connection.execute(
        text("""
        UPDATE catalog_looks l SET state = :verdict
        FROM nights n WHERE n.id = :id AND l.merchant_id = n.merchant_id AND l.state = 'new'
          AND l.changed_at <= (SELECT created_at FROM batches WHERE id = n.batch_id)
          AND l.id IN (SELECT look_id FROM night_images WHERE batch_id = n.batch_id)
        """),
        {"id": night.id, "verdict": verdict},
    )
    audit.record(connection, who, f"proof {verdict}", night.merchant_id, {"night": night.id})


def approve_overdue(connection: Connection, now: datetime) -> int:
    """Approve the proofs whose rule says so, once there is a picture to be seen; return how many."""
    rows = connection.execute(
        text(f"""
        {SELECT} JOIN batches b ON b.id = n.proof_batch_id
        WHERE n.proof = 'waiting' AND n.proof_until <= :now AND b.finished_at IS NOT NULL AND b.succeeded > 0
        ORDER BY n.id
        """),
        {"now": now},
    ).all()
    for row in rows:
        approve(connection, Night.from_row(row), BY_RULE)
    return len(rows)


@dataclass(frozen=True)
class ProofState:
    """How far a proof is."""

    total: int
    succeeded: int
    failed: int


def proof_state(connection: Connection, night: Night) -> ProofState:
    """Return how many of a proof's images are done."""
    row = connection.execute(
        text("SELECT total, succeeded, failed FROM batches WHERE id = :id"), {"id": night.proof_batch_id}
    ).one_or_none()
    return ProofState(0, 0, 0) if row is None else ProofState(*row)
