"""Jobs: one source image in one look."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.errors import UniqueViolation
from pydantic_core import to_json
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from shared.errors import Conflict
from shared.look import Look
from shared.plain_text import storable
from shared.quality.rule_report import RuleReport
from shared.recordset import int_array, recordset

STORED = "store:"
"""Scheme of sources in Atelier's own store; the rest is the object's key."""

RESULTS_PAGE = 2000


class JobState(StrEnum):
    """What has become of a job."""

    QUEUED = "queued"
    """It waits, or a worker has it in hand."""
    SUCCEEDED = "succeeded"
    """It has its renditions."""
    FAILED = "failed"
    """It has none, and a code and a message that say why."""
    CANCELLED = "cancelled"
    """Its batch was cancelled before it was styled, or somebody gave it up after it had failed."""


class NewJob(NamedTuple):
    """Job as submitted. ``code`` is set if the row was invalid, so that the job has failed already."""

    ordinal: int
    line: int
    sku: str
    image: str
    source: str
    output: str
    look: Look
    input: Mapping[str, str]
    code: str | None = None
    message: str | None = None
    pixels: int = 0


@dataclass(frozen=True)
class Job:
    """Queued job as a worker sees it."""

    ordinal: int
    sku: str
    image: str
    source: str
    look: Look
    attempts: int


@dataclass(frozen=True)
class Failed:
    """Job that failed, with a code that its merchant understands."""

    ordinal: int
    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True)
class PutBack:
    """Job to try again after a delay, because its source does not answer.

    ``attempts`` is 0 if the host is healthy and only asks to wait.
    """

    ordinal: int
    delay_seconds: float
    attempts: int = 1


@dataclass(frozen=True)
class JobResult:
    """Job as its merchant sees it, with its rendition if it has one."""

    ordinal: int
    line: int
    sku: str
    image: str
    output: str
    look: Look
    input: dict[str, str]
    state: JobState
    reused: bool
    code: str | None
    message: str | None
    retryable: bool
    preset: str | None
    object_key: str | None
    width: int | None
    height: int | None
    quality: dict[str, float] | None
    report: RuleReport | None = None
    bytes: int | None = None

    @property
    def is_published(self) -> bool:
        """Return whether there is a rendition that breaks no rule of its preset."""
        return self.object_key is not None and (self.report is None or self.report.passed)


_NEW = ", ".join(NewJob._fields)


def add_jobs(connection: Connection, batch_id: UUID, merchant: int, jobs: Iterable[NewJob]) -> None:
    """Insert jobs by COPY into a temporary table, then INSERT, so that row-level security applies.

    Call it once per transaction. Raises Conflict if the jobs exist: the same input is being submitted elsewhere.
    """
    connection.execute(text(f"CREATE TEMPORARY TABLE new_jobs ON COMMIT DROP AS SELECT {_NEW} FROM jobs WITH NO DATA"))
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"COPY new_jobs ({_NEW}) FROM STDIN") as copy:
        for job in jobs:
            copy.write_row((*job[:6], job.look.json, to_json(job.input).decode(), *job[8:]))
    try:
        connection.execute(
            text(f"""
            INSERT INTO jobs (batch_id, merchant_id, state, {_NEW})
            SELECT :batch, :merchant, CASE WHEN code IS NULL THEN 'queued' ELSE 'failed' END, {_NEW} FROM new_jobs
            """),
            {"batch": batch_id, "merchant": merchant},
        )
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            raise Conflict(
                f"batch {batch_id} accepts no rows from here: the same input is being submitted elsewhere"
            ) from error
        raise


def queued_jobs(connection: Connection, batch_id: UUID, first: int, last: int) -> list[Job]:
    """Return the jobs of a run of ordinals that are still queued and due.

    They are in order, but those with which a worker died come last: their neighbours need not wait for them,
    and a worker that is killed from outside is unlikely to be processing the same one again.
    """
    rows = connection.execute(
        text("""
        SELECT ordinal, sku, image, source, CAST(look AS text) AS look, attempts FROM jobs
        WHERE batch_id = :batch AND ordinal BETWEEN :first AND :last AND state = 'queued'
          AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())
        ORDER BY deaths, ordinal
        """),
        {"batch": batch_id, "first": first, "last": last},
    )
    looks: dict[str, Look] = {}  # usually one, whatever the number of jobs
    found = []
    for row in rows:
        if row.look not in looks:
            looks[row.look] = Look.from_json(json.loads(row.look))
        found.append(Job(row.ordinal, row.sku, row.image, row.source, looks[row.look], row.attempts))
    return found


# Repeats the join's condition: a batch newer than the last ANALYZE seems to have hardly any rows, and the planner
# would read all of it.
HERE = "jobs.batch_id = :batch AND jobs.ordinal = ANY(CAST(:ordinals AS int[])) AND jobs.state = 'queued'"


def still_queued(connection: Connection, batch_id: UUID, ordinals: Collection[int]) -> set[int] | None:
    """Return which of these jobs are still queued; None where their batch was cancelled.

    For whoever holds their chunk, so that it stays so. One statement, because it is part of every page of outcomes.
    """
    row = connection.execute(
        text(f"""
        SELECT state = 'cancelled' AS cancelled, ARRAY(SELECT ordinal FROM jobs WHERE {HERE}) AS ordinals
        FROM batches WHERE id = :batch
        """),
        {"batch": batch_id, "ordinals": int_array(ordinals)},
    ).one()
    return None if row.cancelled else set(row.ordinals)


def succeed_jobs(connection: Connection, batch_id: UUID, reused_by_ordinal: Mapping[int, bool]) -> tuple[int, int]:
    """Mark queued jobs as succeeded; return how many, and how many of them reused a rendition."""
    if not reused_by_ordinal:
        return 0, 0
    rows = connection.execute(
        text(f"""
        UPDATE jobs SET state = 'succeeded', reused = done.reused, code = NULL, message = NULL
        FROM json_to_recordset(CAST(:done AS json)) AS done (ordinal int, reused bool)
        WHERE {HERE} AND jobs.ordinal = done.ordinal
        RETURNING jobs.reused
        """),
        {
            "batch": batch_id,
            "ordinals": int_array(reused_by_ordinal),
            "done": recordset(("ordinal", "reused"), reused_by_ordinal.items()),
        },
    ).all()
    return len(rows), sum(row.reused for row in rows)


def fail_jobs(connection: Connection, batch_id: UUID, failed: Collection[Failed]) -> int:
    """Mark queued jobs as failed; return how many were queued."""
    if not failed:
        return 0
    done = connection.execute(
        text(f"""
        UPDATE jobs SET state = 'failed', code = failed.code, message = failed.message, retryable = failed.retryable
        FROM json_to_recordset(CAST(:failed AS json)) AS failed (ordinal int, code text, message text, retryable bool)
        WHERE {HERE} AND jobs.ordinal = failed.ordinal
        """),
        {
            "batch": batch_id,
            "ordinals": int_array(one.ordinal for one in failed),
            "failed": recordset(
                ("ordinal", "code", "message", "retryable"),
                ((one.ordinal, one.code, storable(one.message), one.retryable) for one in failed),
            ),
        },
    )
    return done.rowcount


def put_back_jobs(connection: Connection, batch_id: UUID, put_back: Collection[PutBack]) -> None:
    """Delay queued jobs before their next attempts, and count those made."""
    if not put_back:
        return
    connection.execute(
        text(f"""
        UPDATE jobs SET attempts = jobs.attempts + back.attempts,
            next_attempt_at = clock_timestamp() + make_interval(secs => back.delay)
        FROM json_to_recordset(CAST(:put_back AS json)) AS back (ordinal int, delay float, attempts int)
        WHERE {HERE} AND jobs.ordinal = back.ordinal
        """),
        {
            "batch": batch_id,
            "ordinals": int_array(one.ordinal for one in put_back),
            "put_back": recordset(
                ("ordinal", "delay", "attempts"), ((one.ordinal, one.delay_seconds, one.attempts) for one in put_back)
            ),
        },
    )


def blame_job(connection: Connection, batch_id: UUID, ordinal: int) -> int:
    """Count a worker's death against the job that it was processing; return the deaths so far."""
    row = connection.execute(
        text("""
        UPDATE jobs SET deaths = deaths + 1 WHERE batch_id = :batch AND ordinal = :ordinal AND state = 'queued'
        RETURNING deaths
        """),
        {"batch": batch_id, "ordinal": ordinal},
    ).one_or_none()
    return 0 if row is None else int(row.deaths)


def cancel_jobs(connection: Connection, batch_id: UUID, first: int, last: int) -> int:
    """Cancel the queued jobs in a run of ordinals; return how many."""
    done = connection.execute(
        text("""
        UPDATE jobs SET state = 'cancelled'
        WHERE batch_id = :batch AND ordinal BETWEEN :first AND :last AND state = 'queued'
        """),
        {"batch": batch_id, "first": first, "last": last},
    )
    return done.rowcount


def failed_ordinals(
    connection: Connection, batch_id: UUID, codes: Sequence[str], *, after: int, limit: int
) -> list[int]:
    """Return the first failed jobs of a batch that come after an ordinal; with ``codes``, those that failed by one."""
    rows = connection.execute(
        text("""
        SELECT ordinal FROM jobs
        WHERE batch_id = :batch AND state = 'failed' AND ordinal > :after
          AND (cardinality(CAST(:codes AS text[])) = 0 OR code = ANY(:codes))
        ORDER BY ordinal LIMIT :limit
        """),
        {"batch": batch_id, "codes": list(codes), "after": after, "limit": limit},
    )
    return list(rows.scalars())


def requeue_failed(connection: Connection, batch_id: UUID, ordinals: Collection[int]) -> int:
    """Queue failed jobs again, except those whose row itself was bad; return how many."""
    done = connection.execute(
        text("""
        UPDATE jobs SET state = 'queued', code = NULL, message = NULL, retryable = false, attempts = 0, deaths = 0,
            next_attempt_at = NULL
        WHERE batch_id = :batch AND ordinal = ANY(CAST(:ordinals AS int[])) AND state = 'failed' AND source <> ''
        """),
        {"batch": batch_id, "ordinals": int_array(ordinals)},
    )
    return done.rowcount


def discard_failed(connection: Connection, batch_id: UUID, ordinals: Collection[int]) -> int:
    """Cancel failed jobs; return how many. They keep their codes and messages."""
    done = connection.execute(
        text("""
        UPDATE jobs SET state = 'cancelled'
        WHERE batch_id = :batch AND ordinal = ANY(CAST(:ordinals AS int[])) AND state = 'failed'
        """),
        {"batch": batch_id, "ordinals": int_array(ordinals)},
    )
    return done.rowcount


@dataclass(frozen=True)
class Failure:
    """Failed job as its merchant sees it."""

    ordinal: int
    line: int
    sku: str
    image: str
    code: str
    message: str
    retryable: bool


def failed_jobs(connection: Connection, batch_id: UUID, *, after: int, limit: int) -> list[Failure]:
    """Return up to ``limit`` failed jobs of a batch, in order, after an ordinal."""
    rows = connection.execute(
        text("""
        SELECT ordinal, line, sku, image, code, message, retryable FROM jobs
        WHERE batch_id = :batch AND state = 'failed' AND ordinal > :after ORDER BY ordinal LIMIT :limit
        """),
        {"batch": batch_id, "after": after, "limit": limit},
    )
    return [Failure(*row) for row in rows]


def results(connection: Connection, batch_id: UUID, total: int) -> Iterator[JobResult]:
    """Yield the ``total`` jobs of a batch in order, one per rendition, reading a page at a time."""
    for first in range(0, total, RESULTS_PAGE):
        yield from results_between(connection, batch_id, first, first + RESULTS_PAGE - 1)


# OFFSET 0 makes the database look up renditions job by job; any other join may read those of the whole batch.
_RESULTS = """
SELECT j.ordinal, j.line, j.sku, j.image, j.output, j.look, j.input, j.state, j.reused, j.code,
       j.message, j.retryable, r.preset, r.object_key, r.width, r.height, r.quality, r.report, r.bytes
FROM jobs j LEFT JOIN LATERAL (
    SELECT l.preset, r.object_key, r.width, r.height, r.quality, r.report, r.bytes
    FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
    WHERE l.batch_id = j.batch_id AND l.ordinal = j.ordinal OFFSET 0
) r ON true
WHERE j.batch_id = :batch AND {which}
ORDER BY j.ordinal, r.preset
"""


def results_between(connection: Connection, batch_id: UUID, first: int, last: int) -> list[JobResult]:
    """Return the jobs of a run of ordinals, one per rendition.

    Ordinals have no gaps, so a page is a run of them. With a LIMIT instead, the database may read all following
    jobs.
    """
    values = {"batch": batch_id, "first": first, "last": last}
    return _results(connection, "j.ordinal BETWEEN :first AND :last", values)


def results_of(connection: Connection, batch_id: UUID, ordinals: Collection[int]) -> list[JobResult]:
    """Return the jobs with these ordinals, one per rendition."""
    values = {"batch": batch_id, "ordinals": int_array(ordinals)}
    return _results(connection, "j.ordinal = ANY(CAST(:ordinals AS int[]))", values)


def _results(connection: Connection, which: str, values: dict[str, object]) -> list[JobResult]:
    rows: Sequence[Any] = connection.execute(text(_RESULTS.format(which=which)), values).all()
    return [
        JobResult(
            **row._asdict()
            | {
                "look": Look.from_json(row.look),
                "state": JobState(row.state),
                "report": None if row.report is None else RuleReport.from_json(row.report),
            }
        )
        for row in rows
    ]
