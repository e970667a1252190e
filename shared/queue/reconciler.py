"""Reconcile batches: check invariants, and repair and count their violations.

1. A queued job of a running batch lies in a ``waiting`` or ``dispatched`` chunk; otherwise it would never be done.
2. A ``receiving`` batch has a live or recent submitter; otherwise it would wait for rows for ever.
3. A batch's counters equal a recount of its jobs; otherwise it would end too early or never.

Every sweep checks all jobs of a running batch without an open chunk, so that no batch stays stuck. Of other batches
it checks a random sample, since reading all jobs would cost more than it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from random import randrange
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine, text

from shared.database import Lock, lock, transaction
from shared.errors import StatementTimeout
from shared.queue import batches, jobs
from shared.queue.batches import Batch, BatchState, Counts
from shared.queue.chunks import CHUNK_JOBS
from shared.queue.submissions import end_receiving

SAMPLED_JOBS = 20_000
"""Number of randomly chosen jobs that one sweep reads, which takes some ten milliseconds."""

STALLED_AT_ONCE = 100
"""Number of stalled batches that one sweep repairs; the next sweep continues."""

SUBMITTER_SILENCE_SECONDS = 3600.0
"""A submitter that has stored no page for this long is gone. Normally it stores one about every second."""

PIXELS = 500_000
"""Assumed work of a job whose chunk is created again."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Repaired:
    """Numbers of violations that a sweep repaired, by kind."""

    stranded_jobs: int = 0
    abandoned_batches: int = 0
    wrong_counters: int = 0

    def __add__(self, other: Repaired) -> Repaired:
        return Repaired(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Stranded:
    """Queued jobs that no open chunk contains. ``chunk_id`` is the ended chunk that contains them, if any."""

    chunk_id: int | None
    first: int
    last: int
    jobs: int


@dataclass(frozen=True)
class Sample:
    """Ordinals of a batch to check; ``whole`` if these are all."""

    batch_id: UUID
    first: int
    last: int
    whole: bool


def reconcile(engine: Engine, sampled_jobs: int = SAMPLED_JOBS) -> Repaired:
    """Repair violations of the invariants; return their numbers. Each repair is a transaction of its own."""
    done = end_abandoned(engine)
    with transaction(engine) as connection:
        found = [*stalled(connection), *sample(connection, sampled_jobs)]
    for one in found:
        try:
            done += _repair(engine, one)
        except StatementTimeout as error:  # of this batch: the next one may be repaired
            log.warning("batch_not_reconciled", batch=str(one.batch_id), error=str(error))
    if done != Repaired():
        log.error("invariants_repaired", **{f.name: getattr(done, f.name) for f in fields(done)})
    return done


def end_abandoned(engine: Engine) -> Repaired:
    """End batches without a submitter. Accepted jobs are styled, unless a sample may need approval first."""
    with transaction(engine) as connection:
        rows = connection.execute(
            text("""
            SELECT id FROM batches WHERE intake = 'receiving' AND state = 'running'
              AND coalesce(received_at, created_at) < clock_timestamp() - make_interval(secs => :silence)
            """),
            {"silence": SUBMITTER_SILENCE_SECONDS},
        )
        silent: list[UUID] = list(rows.scalars())
    ended = 0
    for batch_id in silent:
        with transaction(engine) as connection:
            ended += end_receiving(connection, batch_id, SUBMITTER_SILENCE_SECONDS)
    return Repaired(abandoned_batches=ended)


def stalled(connection: Connection) -> list[Sample]:
    """Return sealed batches that have not ended although they have no open chunk."""
    rows = connection.execute(
        text("""
        SELECT id, total FROM batches b
        WHERE (state = 'running' AND intake = 'sealed' OR state = 'cancelled' AND finished_at IS NULL)
          AND (SELECT id FROM chunks c WHERE c.batch_id = b.id AND c.state = 'waiting' LIMIT 1) IS NULL
          AND NOT EXISTS (SELECT FROM chunks c WHERE c.batch_id = b.id AND c.state = 'dispatched')
        ORDER BY id LIMIT :most
        """),
        {"most": STALLED_AT_ONCE},
    )
    return [Sample(row.id, 0, row.total - 1, whole=True) for row in rows]


def sample(connection: Connection, most: int) -> Iterator[Sample]:
    """Yield random running batches with up to ``most`` jobs in total; of a larger batch only a part."""
    if not most:
        return
    rows = connection.execute(
        text("SELECT id, total FROM batches WHERE state = 'running' ORDER BY random() LIMIT :most"), {"most": most}
    ).all()
    for row in rows:
        if row.total > most:
            first = _chunk_begin(connection, row.id, randrange(row.total))
            yield Sample(row.id, first, min(first + most, row.total) - 1, whole=False)
            return
        yield Sample(row.id, 0, row.total - 1, whole=True)
        most -= max(1, row.total)


def _chunk_begin(connection: Connection, batch_id: UUID, ordinal: int) -> int:
    """Return the first ordinal of the chunk that contains an ordinal, so that a sample splits no chunk."""
    found = connection.execute(
        text("SELECT max(first_ordinal) FROM chunks WHERE batch_id = :batch AND first_ordinal <= :ordinal"),
        {"batch": batch_id, "ordinal": ordinal},
    )
    return int(found.scalar_one() or 0)


def _repair(engine: Engine, one: Sample) -> Repaired:
    with transaction(engine) as connection:
        found = stranded(connection, one)
        wrong = one.whole and is_miscounted(connection, one.batch_id)
    done = Repaired()
    for jobs_of_chunk in found:
        with transaction(engine) as connection:
            done += Repaired(stranded_jobs=release_stranded(connection, one.batch_id, jobs_of_chunk))
    if wrong:
        with transaction(engine) as connection:
            done += Repaired(wrong_counters=recount(connection, one.batch_id))
    return done


def stranded(connection: Connection, one: Sample) -> list[Stranded]:
    """Return the queued jobs among some ordinals that lie in an ended chunk, or in none."""
    rows = connection.execute(
        text("""
        WITH known AS (
            SELECT id, state, first_ordinal, last_ordinal FROM chunks
            WHERE batch_id = :batch AND first_ordinal BETWEEN :first AND :last
            UNION ALL SELECT NULL, 'waiting', :first - 1, :first - 1
        ), spans AS (
            SELECT id, first_ordinal AS first, last_ordinal AS last FROM known WHERE state IN ('done', 'cancelled')
            UNION ALL
            SELECT NULL, last_ordinal + 1, lead(first_ordinal, 1, :last + 1) OVER (ORDER BY first_ordinal) - 1
            FROM known
        )
        SELECT s.id, q.first, q.last, q.jobs FROM spans s CROSS JOIN LATERAL (
            SELECT min(ordinal) AS first, max(ordinal) AS last, count(*) AS jobs FROM jobs
            WHERE batch_id = :batch AND ordinal BETWEEN s.first AND s.last AND state = 'queued'
        ) q WHERE s.first <= s.last AND q.jobs > 0 ORDER BY q.first
        """),
        {"batch": one.batch_id, "first": one.first, "last": one.last},
    )
    return [Stranded(*row) for row in rows]


def release_stranded(connection: Connection, batch_id: UUID, found: Stranded) -> int:
    """Make stranded jobs runnable, or cancel those of a cancelled batch; return how many. Safe to repeat."""
    if found.chunk_id is not None:
        connection.execute(text("SELECT id FROM chunks WHERE id = :id FOR UPDATE"), {"id": found.chunk_id})
    batch = batches.get_batch(connection, batch_id)
    if batch.state == BatchState.CANCELLED:
        cancelled = jobs.cancel_jobs(connection, batch_id, found.first, found.last)
        batches.add_counts(connection, batch_id, Counts(cancelled=cancelled))
        return cancelled
    if found.chunk_id is not None:
        reopened = _reopen(connection, found.chunk_id)
    else:
        reopened = _cover(connection, batch, found.first, found.last)
    return found.jobs if reopened else 0


def _reopen(connection: Connection, chunk_id: int) -> bool:
    """Set an ended chunk to waiting; return whether it had ended."""
    done = connection.execute(
        text("""
        UPDATE chunks SET state = 'waiting', next_attempt_at = clock_timestamp()
        WHERE id = :id AND state IN ('done', 'cancelled')
        """),
        {"id": chunk_id},
    )
    return done.rowcount == 1


def _cover(connection: Connection, batch: Batch, first: int, last: int) -> bool:
    """Create chunks for ordinals that have none; return whether any were missing.

    Two sweeps may have found the same gap, or parts of it: the second one waits, and finds it closed.
    """
    lock(connection, Lock.RECONCILE)
    done = connection.execute(
        text("""
        INSERT INTO chunks (batch_id, merchant_id, queue, first_ordinal, last_ordinal, pixels)
        SELECT :batch, :merchant, :queue, n, least(n + :size - 1, :last), :pixels
        FROM generate_series(CAST(:first AS int), CAST(:last AS int), CAST(:size AS int)) n
        WHERE NOT EXISTS (
            SELECT FROM chunks WHERE batch_id = :batch AND first_ordinal <= :last AND last_ordinal >= :first)
        """),
        {
            "batch": batch.id,
            "merchant": batch.merchant_id,
            "queue": batch.queue,
            "first": first,
            "last": last,
            "size": CHUNK_JOBS,
            "pixels": CHUNK_JOBS * PIXELS,
        },
    )
    return done.rowcount > 0


def is_miscounted(connection: Connection, batch_id: UUID) -> bool:
    """Return whether a batch's counters or state contradict its jobs. One statement reads both at the same moment."""
    found = connection.execute(
        text("""
        SELECT (b.total, b.succeeded, b.failed, b.cancelled, b.reused)
               <> (j.total, j.succeeded, j.failed, j.cancelled, j.reused)
            OR b.intake = 'sealed' AND b.finished_at IS NULL AND j.queued = 0
        FROM batches b CROSS JOIN LATERAL (
            SELECT count(*) AS total, count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
                   count(*) FILTER (WHERE state = 'failed') AS failed,
                   count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
                   count(*) FILTER (WHERE reused) AS reused, count(*) FILTER (WHERE state = 'queued') AS queued
            FROM jobs WHERE batch_id = b.id
        ) j WHERE b.id = :batch
        """),
        {"batch": batch_id},
    ).scalar_one_or_none()
    return bool(found)


def recount(connection: Connection, batch_id: UUID) -> bool:
    """Set a batch's counters by its jobs, and end or reopen it accordingly; return whether that was necessary.

    Its row is locked first, since every change of jobs changes the counters in the same transaction.
    """
    connection.execute(text("SELECT 1 FROM batches WHERE id = :id FOR UPDATE"), {"id": batch_id})
    done = connection.execute(
        text("""
        UPDATE batches b SET total = j.total, succeeded = j.succeeded, failed = j.failed, cancelled = j.cancelled,
            reused = j.reused,
            state = CASE WHEN b.state = 'cancelled' THEN b.state
                         WHEN b.intake = 'sealed' AND j.queued = 0 THEN 'finished' ELSE 'running' END,
            finished_at = CASE WHEN b.intake = 'sealed' AND j.queued = 0
                               THEN coalesce(b.finished_at, clock_timestamp()) END
        FROM (
            SELECT count(*) AS total, count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
                   count(*) FILTER (WHERE state = 'failed') AS failed,
                   count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
                   count(*) FILTER (WHERE reused) AS reused, count(*) FILTER (WHERE state = 'queued') AS queued
            FROM jobs WHERE batch_id = :id
        ) j
        WHERE b.id = :id AND ((b.total, b.succeeded, b.failed, b.cancelled, b.reused)
                <> (j.total, j.succeeded, j.failed, j.cancelled, j.reused)
            OR b.intake = 'sealed' AND b.finished_at IS NULL AND j.queued = 0)
        """),
        {"id": batch_id},
    )
    return done.rowcount == 1
