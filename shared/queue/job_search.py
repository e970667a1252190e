"""Search the jobs of a batch by state, style, preset, error code and sku, page by page, and count them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from uuid import UUID

from sqlalchemy import Connection, text

from shared.queue.batches import Batch
from shared.queue.job_pages import SEARCHED_AT_ONCE
from shared.queue.jobs import JobResult, JobState, results_between, results_of


@dataclass(frozen=True)
class JobFilter:
    """Which jobs of a batch are wanted; None stands for any.

    ``sku`` is a part of the sku, in upper or lower case. ``held``: only images that wait for review.
    """

    state: JobState | None = None
    style: str | None = None
    preset: str | None = None
    code: str | None = None
    sku: str | None = None
    held: bool = False

    @property
    def is_empty(self) -> bool:
        """Return whether all jobs are wanted."""
        return all(not getattr(self, one.name) for one in fields(self))


_CONDITIONS = {
    "state": "j.state = :state",
    "style": "jsonb_exists(j.look -> 'mix', :style)",
    "preset": """EXISTS (SELECT FROM job_renditions l
                         WHERE l.batch_id = j.batch_id AND l.ordinal = j.ordinal AND l.preset = :preset)""",
    "code": "j.code = :code",
    "sku": "position(lower(:sku) IN lower(j.sku)) > 0",
    "held": """EXISTS (SELECT FROM reviews v WHERE v.batch_id = j.batch_id AND v.ordinal = j.ordinal
                                               AND v.state = 'waiting' AND :held)""",
}


def search_jobs(
    connection: Connection, batch: Batch, wanted: JobFilter, *, after: int, limit: int
) -> tuple[list[JobResult], int | None]:
    """Return up to ``limit`` jobs after an ordinal, one per rendition, and the cursor of the next page, or None."""
    if wanted.is_empty:
        last = min(after + limit, batch.total - 1)
        return results_between(connection, batch.id, after + 1, last), last if last < batch.total - 1 else None
    ordinals = _matching(connection, batch, wanted, range(after + 1, batch.total), limit + 1)
    page = ordinals[:limit]
    return results_of(connection, batch.id, page), page[-1] if len(ordinals) > limit else None


def _matching(connection: Connection, batch: Batch, wanted: JobFilter, among: range, limit: int) -> list[int]:
    """Return the first ``limit`` matching ordinals, run by run: a LIMIT alone may read and sort all following jobs."""
    given = {name: value for name in _CONDITIONS if (value := getattr(wanted, name))}
    conditions = " AND ".join(_CONDITIONS[name] for name in given)
    ordinals: list[int] = []
    for first in among[::SEARCHED_AT_ONCE]:
        rows = connection.execute(
            text(f"""
            SELECT j.ordinal FROM jobs j
            WHERE j.batch_id = :batch AND j.ordinal BETWEEN :first AND :last AND {conditions}
            ORDER BY j.ordinal LIMIT :limit
            """),
            given
            | {
                "batch": batch.id,
                "first": first,
                "last": min(first + SEARCHED_AT_ONCE, among.stop) - 1,
                "limit": limit - len(ordinals),
            },
        )
        ordinals += rows.scalars()
        if len(ordinals) == limit:
            break
    return ordinals


def failures_by_code(connection: Connection, batch_id: UUID) -> Mapping[str, int]:
    """Count the failed jobs of a batch by error code, the most frequent first."""
    rows = connection.execute(
        text("""
        SELECT code, count(*) AS jobs FROM jobs WHERE batch_id = :batch AND state = 'failed'
        GROUP BY code ORDER BY jobs DESC, code
        """),
        {"batch": batch_id},
    )
    return {row.code: row.jobs for row in rows}


def count_held(connection: Connection, batch_id: UUID) -> int:
    """Count the images of a batch that wait for review."""
    return int(
        connection.execute(
            text("SELECT count(*) FROM reviews WHERE batch_id = :batch AND state = 'waiting'"), {"batch": batch_id}
        ).scalar_one()
    )


def held_among(connection: Connection, batch_id: UUID, first: int, last: int) -> set[int]:
    """Return the ordinals of a run that wait for review."""
    rows = connection.execute(
        text("""
        SELECT ordinal FROM reviews
        WHERE batch_id = :batch AND ordinal BETWEEN :first AND :last AND state = 'waiting'
        """),
        {"batch": batch_id, "first": first, "last": last},
    )
    return set(rows.scalars())
