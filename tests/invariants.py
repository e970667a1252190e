"""What must hold of a database and its store whatever happened: used at the end of every test that breaks something."""

from __future__ import annotations

import hashlib
from uuid import UUID

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction

COUNTERS = ("succeeded", "failed", "cancelled")


def miscounted(session: Session) -> list[UUID]:
    """The batches whose counters are not what a recount of their jobs gives."""
    with transaction(session.engine) as connection:
        rows = connection.execute(
            text("""
            SELECT b.id FROM batches b LEFT JOIN LATERAL (
                SELECT count(*) AS total, count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
                       count(*) FILTER (WHERE state = 'failed') AS failed,
                       count(*) FILTER (WHERE state = 'cancelled') AS cancelled
                FROM jobs WHERE batch_id = b.id
            ) j ON true
            WHERE (b.total, b.succeeded, b.failed, b.cancelled) <> (j.total, j.succeeded, j.failed, j.cancelled)
            """)
        )
        return list(rows.scalars())


def assert_nothing_lost(session: Session, batch_id: UUID) -> dict[str, int]:
    """Check a batch that has ended, job by job and byte by byte; return its jobs by state."""
    with transaction(session.engine) as connection:
        batch = connection.execute(text("SELECT * FROM batches WHERE id = :id"), {"id": batch_id}).one()
        jobs = connection.execute(
            text("SELECT ordinal, state, reused, code FROM jobs WHERE batch_id = :id"), {"id": batch_id}
        ).all()
        links = connection.execute(
            text("""
            SELECT l.ordinal, r.object_key, r.sha256, r.bytes FROM job_renditions l JOIN renditions r
            ON r.id = l.rendition_id WHERE l.batch_id = :id
            """),
            {"id": batch_id},
        ).all()
        duplicates = connection.execute(
            text("""
            SELECT count(*) FROM (SELECT 1 FROM renditions
            GROUP BY merchant_id, source_sha256, look_sha256, trunk_sha256, preset, pipeline_version
            HAVING count(*) > 1) d
            """)
        ).scalar_one()
        open_chunks = connection.execute(
            text("""
            SELECT count(*) FROM chunks WHERE batch_id = :id
            AND (state IN ('waiting', 'dispatched') OR lease_expires_at IS NOT NULL OR ordinal_in_hand IS NOT NULL)
            """),
            {"id": batch_id},
        ).scalar_one()
    states = {state: sum(job.state == state for job in jobs) for state in COUNTERS}
    assert len(jobs) == batch.total == sum(states.values()), f"jobs that have not ended: {states} of {batch.total}"
    assert states == {state: getattr(batch, state) for state in COUNTERS}
    assert batch.reused == sum(job.reused for job in jobs)
    assert (duplicates, open_chunks) == (0, 0)
    for link in links:
        data = session.store.get(link.object_key)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (link.sha256, link.bytes)
    succeeded = {job.ordinal for job in jobs if job.state == "succeeded"}
    assert {link.ordinal for link in links} == succeeded
    assert len(links) == len(succeeded) * len(batch.presets)
    return states
