"""Submissions: each input is claimed once, and a batch without a submitter does not wait for rows for ever."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from shared.queue import batches
from shared.queue.batches import Batch


def claim_submission(connection: Connection, merchant: int, fingerprint: str) -> None:
    """Claim an input until the transaction ends. A second, concurrent submission of it waits."""
    connection.execute(
        text("""
        INSERT INTO submissions (merchant_id, fingerprint) VALUES (:merchant, :fingerprint)
        ON CONFLICT (merchant_id, fingerprint) DO UPDATE SET fingerprint = excluded.fingerprint
        """),
        {"merchant": merchant, "fingerprint": fingerprint},
    )


def name_submission(connection: Connection, batch: Batch, fingerprint: str) -> None:
    """Record the batch of a claimed input."""
    connection.execute(
        text("UPDATE submissions SET batch_id = :batch WHERE merchant_id = :merchant AND fingerprint = :fingerprint"),
        {"batch": batch.id, "merchant": batch.merchant_id, "fingerprint": fingerprint},
    )


def resume_receiving(connection: Connection, batch_id: UUID) -> None:
    """Record that a batch has a submitter again, if it still receives rows."""
    connection.execute(
        text("UPDATE batches SET received_at = clock_timestamp() WHERE id = :id AND intake = 'receiving'"),
        {"id": batch_id},
    )


def refuse(connection: Connection, batch_id: UUID, why: str) -> None:
    """End a batch without accepted rows, with the reason for its merchant."""
    connection.execute(
        text("""
        UPDATE batches SET state = 'cancelled', intake = 'sealed', finished_at = clock_timestamp(), notice = :why
        WHERE id = :id AND state = 'running' AND intake = 'receiving' AND total = 0
        """),
        {"id": batch_id, "why": why},
    )


def end_receiving(connection: Connection, batch_id: UUID, silence_seconds: float) -> bool:
    """End the intake of a batch whose submitter is silent, so that its accepted jobs run; return whether it was.

    A batch without rows is cancelled, and so is one that waits for its last row because a sample may need approval.
    """
    row = connection.execute(
        text("""
        UPDATE batches SET notice = 'its submission broke off after row ' || rows_read || CASE
            WHEN total = 0 OR EXISTS (
                SELECT FROM proofs p WHERE p.batch_id = batches.id AND p.state = 'undecided')
            THEN ': nothing of it is styled, submit it again'
            ELSE ': what was accepted is styled, submit the rest again' END
        WHERE id = :id AND state = 'running' AND intake = 'receiving'
          AND coalesce(received_at, created_at) < clock_timestamp() - make_interval(secs => :silence)
        RETURNING total, EXISTS (
            SELECT FROM proofs p WHERE p.batch_id = batches.id AND p.state = 'undecided') AS undecided
        """),
        {"id": batch_id, "silence": silence_seconds},
    ).one_or_none()
    if row is None:
        return False
    if row.undecided or not row.total:
        batches.mark_cancelled(connection, batch_id)
    batches.seal(connection, batch_id)
    return True
