"""Retry or discard failed jobs page by page, so that no batch is too large and nobody waits for long.

A page is one short transaction that locks the chunks of its own jobs only, in the common order: chunks → jobs →
batch. It always includes the first chunk of the batch, since pruning removes a batch from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from shared.database import transaction
from shared.errors import Conflict
from shared.merchants.quotas import require_within
from shared.queue import batches, jobs
from shared.queue.batches import Batch
from shared.recordset import int_array

PAGE_JOBS = 2000

Change = Callable[[Connection, UUID, Sequence[int]], int]
"""Changes a page of failed jobs, whose chunks are locked; returns how many were changed."""


def retry_batch(engine: Engine, batch: Batch, codes: Sequence[str] = ()) -> int:
    """Queue the failed jobs of a batch again, with their chunks; return how many jobs.

    Jobs with invalid rows stay failed. With ``codes``, only those with one of these error codes. Raises Conflict
    if the batch was cancelled.
    """
    with transaction(engine, merchant=batch.merchant_id) as connection:
        require_uncancelled(connection, batch.id)
    return _in_pages(engine, batch, codes, retry_page)


def discard_failures(engine: Engine, batch: Batch, codes: Sequence[str] = ()) -> int:
    """Count the failed jobs of a batch as cancelled, or only those with one of ``codes``; return how many."""
    return _in_pages(engine, batch, codes, discard_page)


def _in_pages(engine: Engine, batch: Batch, codes: Sequence[str], change: Change) -> int:
    """Change failed jobs in order of their ordinals, each once, even if one fails again meanwhile."""
    changed, last = 0, -1
    while True:
        with transaction(engine, merchant=batch.merchant_id) as connection:
            page = jobs.failed_ordinals(connection, batch.id, codes, after=last, limit=PAGE_JOBS)
            if not page:
                return changed
            changed += change(connection, batch.id, page)
            last = page[-1]


def retry_page(connection: Connection, batch_id: UUID, ordinals: Sequence[int]) -> int:
    """Queue these failed jobs again. Raises Conflict if their batch was cancelled, QuotaExceeded beyond the limit."""
    own = lock_chunks(connection, batch_id, ordinals)
    require_uncancelled(connection, batch_id)
    requeued = jobs.requeue_failed(connection, batch_id, ordinals)
    if requeued:
        connection.execute(
            text("""
            UPDATE chunks SET state = 'waiting', next_attempt_at = clock_timestamp(), deaths = 0
            WHERE id = ANY(CAST(:ids AS bigint[])) AND state IN ('done', 'cancelled')
            """),
            {"ids": int_array(own)},
        )
        batches.reopen(connection, batch_id, requeued)
        require_within(connection, batches.get_batch(connection, batch_id).merchant_id)
    return requeued


def require_uncancelled(connection: Connection, batch_id: UUID) -> None:
    """Raise Conflict if a batch was cancelled."""
    if batches.is_cancelled(connection, batch_id):
        raise Conflict(f"batch {batch_id} was cancelled: submit its images again")


def discard_page(connection: Connection, batch_id: UUID, ordinals: Sequence[int]) -> int:
    """Count these failed jobs as cancelled."""
    lock_chunks(connection, batch_id, ordinals)
    discarded = jobs.discard_failed(connection, batch_id, ordinals)
    batches.count_as_cancelled(connection, batch_id, discarded)
    return discarded


def lock_chunks(connection: Connection, batch_id: UUID, ordinals: Sequence[int]) -> list[int]:
    """Lock the chunks that contain these ordinals, and the first of the batch; return the ids of the former."""
    values = {"batch": batch_id, "ordinals": int_array(ordinals)}
    rows = connection.execute(
        text("""
        SELECT DISTINCT c.id FROM unnest(CAST(:ordinals AS int[])) o (ordinal) CROSS JOIN LATERAL (
            SELECT id, last_ordinal FROM chunks WHERE batch_id = :batch AND first_ordinal <= o.ordinal
            ORDER BY first_ordinal DESC LIMIT 1
        ) c WHERE c.last_ordinal >= o.ordinal
        """),
        values,
    )
    own = list(rows.scalars())
    connection.execute(
        text("""
        SELECT id FROM chunks WHERE id = ANY(CAST(:own AS bigint[]))
            OR id = (SELECT id FROM chunks WHERE batch_id = :batch ORDER BY first_ordinal LIMIT 1)
        ORDER BY id FOR UPDATE
        """),
        {"batch": batch_id, "own": int_array(own)},
    )
    return own
