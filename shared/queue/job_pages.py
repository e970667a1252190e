"""Read a batch's jobs in pages. A cursor is the ordinal of the last job read."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

from shared.queue.batches import Batch
from shared.queue.jobs import JobResult, results_between, results_of

SEARCHED_AT_ONCE = 10_000


def job_page(
    connection: Connection, batch: Batch, *, state: str | None, after: int, limit: int
) -> tuple[list[JobResult], int | None]:
    """Return up to ``limit`` jobs after an ordinal, one per rendition: all, or those in one state.

    Also returns the cursor of the next page, or None.
    """
    if state is None:
        last = min(after + limit, batch.total - 1)
        return results_between(connection, batch.id, after + 1, last), last if last < batch.total - 1 else None
    ordinals = ordinals_in_state(connection, batch.id, state, range(after + 1, batch.total), limit)
    return results_of(connection, batch.id, ordinals), ordinals[-1] if len(ordinals) == limit else None


def ordinals_in_state(connection: Connection, batch_id: UUID, state: str, among: range, limit: int) -> list[int]:
    """Return the first ``limit`` ordinals of jobs in a state.

    It searches run by run: with only a LIMIT the database may read and sort all following jobs.
    """
    ordinals: list[int] = []
    for first in among[::SEARCHED_AT_ONCE]:
        rows = connection.execute(
            text("""
            SELECT ordinal FROM jobs
            WHERE batch_id = :batch AND state = :state AND ordinal BETWEEN :first AND :last
            ORDER BY ordinal LIMIT :limit
            """),
            {
                "batch": batch_id,
                "state": state,
                "first": first,
                "last": min(first + SEARCHED_AT_ONCE, among.stop) - 1,
                "limit": limit - len(ordinals),
            },
        )
        ordinals += rows.scalars()
        if len(ordinals) == limit:
            break
    return ordinals
