"""Chunks: runs of consecutive ordinals of one batch, leased to a worker while it processes them.

A chunk's states are those of ``ChunkState``. Every claim increments the integer ``lease``, and every
later write is conditional on it, so a worker that lost its lease can change nothing. All times are the
database's. Lock order everywhere: chunk → renditions → jobs → batch → usage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, text

from shared.errors import LeaseLost
from shared.merchants import usage
from shared.merchants.usage import Ended
from shared.queue import batches, jobs
from shared.queue.batches import Batch, Counts
from shared.queue.fair_shares import CHARGE, HELD, lock_shares
from shared.queue.jobs import Failed
from shared.queue.outcomes import Outcome, record

CHUNK_JOBS = 64
"""Largest number of jobs in a chunk, however small their images are."""

MOST_AT_ONCE = 50_000
"""Largest number of jobs that one statement cancels: a few seconds, far below the limit of a statement."""

RELEASED = "lease_expires_at = NULL, worker_id = NULL, ordinal_in_hand = NULL, claimed_at = NULL"

DEATHS_TO_BLAME = 3
"""Number of workers that must die while they process a job alone before it fails as ``crashed_worker``."""


class ChunkState(StrEnum):
    """Where a chunk is on its way."""

    WAITING = "waiting"
    """To be dispatched once it is due."""
    DISPATCHED = "dispatched"
    """Its message is in Redis, or, while it has a lease, a worker has it."""
    DONE = "done"
    """None of its jobs is queued."""
    CANCELLED = "cancelled"
    """Its batch was cancelled, or the window of its night is over."""


@dataclass(frozen=True)
class NewChunk:
    """Run of ordinals and its work, in pixels at the generator's working size."""

    first_ordinal: int
    last_ordinal: int
    pixels: int


@dataclass(frozen=True)
class Claim:
    """Claimed chunk. ``careful``: a worker died with it, so it is redone one image at a time."""

    chunk_id: int
    lease: int
    batch: Batch
    first_ordinal: int
    last_ordinal: int
    careful: bool
    trunk_sha256: str

    @property
    def lease_key(self) -> tuple[int, int]:
        """Identify this claim of the chunk."""
        return self.chunk_id, self.lease


def cut_chunks(first: int, pixels: Iterable[int], megapixels: float, working_px: int) -> list[NewChunk]:
    """Cut jobs with ordinals from ``first`` on into chunks of about ``megapixels`` at the generator's working size.

    Jobs that have failed already have 0 pixels; a run of only those makes no chunk.
    """
    chunks: list[NewChunk] = []
    enough, most = megapixels * 1e6, working_px * working_px
    begin, work, ordinal = first, 0, first - 1
    for ordinal, job_pixels in enumerate(pixels, first):
        work += min(job_pixels, most)
        if work >= enough or ordinal - begin + 1 >= CHUNK_JOBS:
            if work:
                chunks.append(NewChunk(begin, ordinal, work))
            begin, work = ordinal + 1, 0
    if work:
        chunks.append(NewChunk(begin, ordinal, work))
    return chunks


def add_chunks(connection: Connection, batch: Batch, new: Sequence[NewChunk]) -> None:
    """Insert the chunks of a page of jobs, in state waiting."""
    if not new:
        return
    connection.execute(
        text("""
        INSERT INTO chunks (batch_id, merchant_id, queue, first_ordinal, last_ordinal, pixels)
        SELECT :batch, :merchant, :queue, *
        FROM unnest(CAST(:first_ordinals AS int[]), CAST(:last_ordinals AS int[]), CAST(:pixels AS bigint[]))
        """),
        {
            "batch": batch.id,
            "merchant": batch.merchant_id,
            "queue": batch.queue,
            "first_ordinals": [chunk.first_ordinal for chunk in new],
            "last_ordinals": [chunk.last_ordinal for chunk in new],
            "pixels": [chunk.pixels for chunk in new],
        },
    )


def claim(connection: Connection, chunk_id: int, worker_id: UUID, lease_seconds: float) -> Claim | None:
    """Claim a free chunk. Returns None if it is taken, over, paused, or not yet due."""
    row = connection.execute(
        text(f"""
        WITH claimed AS (
            UPDATE chunks c SET state = 'dispatched', lease = c.lease + 1, worker_id = :worker,
                claimed_at = clock_timestamp(),
                lease_expires_at = clock_timestamp() + make_interval(secs => :seconds)
            FROM batches b
            WHERE c.id = :id AND c.state IN ('waiting', 'dispatched') AND c.lease_expires_at IS NULL
              AND c.next_attempt_at <= clock_timestamp()
              AND b.id = c.batch_id AND b.state = 'running' AND NOT b.paused
            RETURNING c.batch_id AS id, c.lease, c.first_ordinal, c.last_ordinal, c.deaths
        )
        SELECT lease, first_ordinal, last_ordinal, deaths, {batches.COLUMNS},
               (SELECT trunk_sha256 FROM model_versions v WHERE v.id = model_version_id)
        FROM claimed JOIN batches USING (id)
        """),
        {"id": chunk_id, "worker": worker_id, "seconds": lease_seconds},
    ).one_or_none()
    if row is None:
        return None
    batch = Batch.from_row(row)
    return Claim(chunk_id, row.lease, batch, row.first_ordinal, row.last_ordinal, row.deaths > 0, row.trunk_sha256)


def lock_claimed(connection: Connection, claim: Claim) -> None:
    """Lock a claimed chunk. Raises LeaseLost if another worker has it."""
    row = connection.execute(
        text("SELECT 1 FROM chunks WHERE id = :id AND lease = :lease AND lease_expires_at IS NOT NULL FOR UPDATE"),
        {"id": claim.chunk_id, "lease": claim.lease},
    ).one_or_none()
    _require(row is not None, claim)


def renew(connection: Connection, claim: Claim, lease_seconds: float) -> None:
    """Lock a claimed chunk and extend its lease, after progress. Raises LeaseLost."""
    renewed = connection.execute(
        text("""
        UPDATE chunks SET lease_expires_at = clock_timestamp() + make_interval(secs => :seconds)
        WHERE id = :id AND lease = :lease AND lease_expires_at IS NOT NULL
        """),
        {"id": claim.chunk_id, "lease": claim.lease, "seconds": lease_seconds},
    )
    _require(renewed.rowcount == 1, claim)


def take_in_hand(connection: Connection, claim: Claim, ordinal: int | None, lease_seconds: float) -> None:
    """Renew a lease and record the one job that a careful redo touches next, or None. Raises LeaseLost."""
    renewed = connection.execute(
        text("""
        UPDATE chunks SET ordinal_in_hand = :ordinal,
            lease_expires_at = clock_timestamp() + make_interval(secs => :seconds)
        WHERE id = :id AND lease = :lease AND lease_expires_at IS NOT NULL
        """),
        {"id": claim.chunk_id, "lease": claim.lease, "seconds": lease_seconds, "ordinal": ordinal},
    )
    _require(renewed.rowcount == 1, claim)


def _require(held: bool, claim: Claim) -> None:
    if not held:
        raise LeaseLost(f"chunk {claim.chunk_id} was given to another worker (lease {claim.lease} is over)")


def finish(connection: Connection, claim: Claim, outcomes: Sequence[Outcome], lease_seconds: float) -> bool:
    """Record the results of jobs: jobs, renditions and counters together. Call it in one transaction.

    Returns False if the batch was cancelled meanwhile; then nothing is recorded.
    """
    take_in_hand(connection, claim, None, lease_seconds)
    queued = jobs.still_queued(connection, claim.batch.id, [one.ordinal for one in outcomes])
    if queued is None:
        return False
    counts, ended = record(connection, claim.batch, [one for one in outcomes if one.ordinal in queued])
    batches.add_counts(connection, claim.batch.id, counts)
    usage.count(connection, claim.batch.merchant_id, ended)
    return True


def release(connection: Connection, claim: Claim, *, delay_seconds: float = 0.0) -> None:
    """Release a chunk: done if no job is queued, cancelled with its batch, else waiting until due.

    Its merchant is charged for the seconds since it was claimed. ``delay_seconds`` is the shortest wait after a
    service failed, for which no merchant is charged. Raises LeaseLost.
    """
    lock_claimed(connection, claim)
    batch_id, first, last = claim.batch.id, claim.first_ordinal, claim.last_ordinal
    if batches.is_cancelled(connection, batch_id):
        cancelled = jobs.cancel_jobs(connection, batch_id, first, last)
        _close(connection, claim.chunk_id, ChunkState.CANCELLED)
        batches.add_counts(connection, batch_id, Counts(cancelled=cancelled))
        return
    connection.execute(
        text(f"""
        WITH ended AS (
            UPDATE chunks SET {RELEASED},
                state = CASE queued.jobs WHEN 0 THEN 'done' ELSE 'waiting' END,
                next_attempt_at = greatest(queued.due, clock_timestamp() + make_interval(secs => :delay))
            FROM (
                SELECT count(*) AS jobs, min(coalesce(next_attempt_at, clock_timestamp())) AS due FROM jobs
                WHERE batch_id = :batch AND ordinal BETWEEN :first AND :last AND state = 'queued'
            ) queued
            WHERE id = :id
            RETURNING {HELD}
        )
        {CHARGE.format(only_if="CAST(:delay AS float) = 0")}
        """),
        {"id": claim.chunk_id, "batch": batch_id, "first": first, "last": last, "delay": delay_seconds},
    )


def _close(connection: Connection, chunk_id: int, state: ChunkState) -> None:
    connection.execute(
        text(f"""
        WITH ended AS (UPDATE chunks SET state = :state, {RELEASED} WHERE id = :id RETURNING {HELD})
        {CHARGE.format(only_if="true")}
        """),
        {"id": chunk_id, "state": state},
    )


def _lock_all(connection: Connection, batch_id: UUID) -> None:
    """Lock the chunks of a batch before the batch, as everywhere, so that nobody finishes a job meanwhile."""
    connection.execute(
        text("SELECT id FROM chunks WHERE batch_id = :batch ORDER BY id FOR UPDATE"), {"batch": batch_id}
    )


def cancel_unleased(connection: Connection, batch_id: UUID) -> int:
    """Cancel the unleased chunks of a batch; return how many jobs that cancelled.

    If the batch itself is not cancelled, its leased chunks are finished, and it ends with them.
    """
    closed = connection.execute(
        text("""
        UPDATE chunks SET state = 'cancelled', worker_id = NULL, ordinal_in_hand = NULL WHERE id IN (
            SELECT id FROM chunks
            WHERE batch_id = :batch AND state IN ('waiting', 'dispatched') AND lease_expires_at IS NULL
            ORDER BY id FOR UPDATE)
        RETURNING first_ordinal, last_ordinal
        """),
        {"batch": batch_id},
    ).all()
    runs = _runs(sorted((row.first_ordinal, row.last_ordinal) for row in closed))
    cancelled = sum(jobs.cancel_jobs(connection, batch_id, first, last) for first, last in runs)
    batches.add_counts(connection, batch_id, Counts(cancelled=cancelled))
    return cancelled


def _runs(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join adjacent ranges, up to ``MOST_AT_ONCE`` ordinals, so that no statement takes long."""
    runs: list[tuple[int, int]] = []
    for first, last in ranges:
        if runs and runs[-1][1] == first - 1 and last - runs[-1][0] < MOST_AT_ONCE:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    return runs


def cancel_batch(connection: Connection, batch_id: UUID) -> int:
    """Cancel a batch: unleased chunks at once, the others as workers notice. Finished images stay."""
    _lock_all(connection, batch_id)
    batches.mark_cancelled(connection, batch_id)
    return cancel_unleased(connection, batch_id)


def withdraw_paused(connection: Connection) -> int:
    """Take the unleased chunks of paused batches out of the window; return how many."""
    withdrawn = connection.execute(
        text("""
        UPDATE chunks SET state = 'waiting' WHERE id IN (
            SELECT c.id FROM chunks c JOIN batches b ON b.id = c.batch_id
            WHERE c.state = 'dispatched' AND c.lease_expires_at IS NULL AND b.paused
            ORDER BY c.id FOR UPDATE OF c SKIP LOCKED)
        """)
    )
    return withdrawn.rowcount


def expire_leases(connection: Connection) -> int:
    """Return the chunks of silent workers to waiting; return how many. One that only lacks its release is done.

    A first death blames no job: the chunk is redone carefully. A death in a careful redo blames the job in
    progress, which fails after ``DEATHS_TO_BLAME`` deaths of its own.
    """
    expired = connection.execute(
        text("""
        SELECT id, batch_id, ordinal_in_hand, merchant_id FROM chunks
        WHERE lease_expires_at < clock_timestamp() ORDER BY id FOR UPDATE SKIP LOCKED
        """)
    ).all()
    if expired:
        lock_shares(connection, {chunk.merchant_id for chunk in expired})
    crashed_jobs: Counter[int] = Counter()
    for chunk in expired:
        if chunk.ordinal_in_hand is not None:
            deaths = jobs.blame_job(connection, chunk.batch_id, chunk.ordinal_in_hand)
            if deaths >= DEATHS_TO_BLAME:
                message = f"{deaths} workers died while working on this image: send another file"
                crashed = Failed(chunk.ordinal_in_hand, "crashed_worker", message, retryable=True)
                failed = jobs.fail_jobs(connection, chunk.batch_id, [crashed])
                batches.add_counts(connection, chunk.batch_id, Counts(failed=failed))
                crashed_jobs[chunk.merchant_id] += failed
        connection.execute(
            text(f"""
            WITH ended AS (
                UPDATE chunks SET {RELEASED}, deaths = deaths + 1,
                    next_attempt_at = clock_timestamp(), state = CASE WHEN EXISTS (
                        SELECT 1 FROM jobs j WHERE j.batch_id = chunks.batch_id AND j.state = 'queued' AND j.ordinal
                            BETWEEN chunks.first_ordinal AND chunks.last_ordinal) THEN 'waiting' ELSE 'done' END
                WHERE id = :id
                RETURNING {HELD}
            )
            {CHARGE.format(only_if="true")}
            """),
            {"id": chunk.id},
        )
    for merchant in sorted(crashed_jobs):  # after all batches, as whoever finishes a page of jobs does
        usage.count(connection, merchant, Ended(failed=crashed_jobs[merchant]))
    return len(expired)
