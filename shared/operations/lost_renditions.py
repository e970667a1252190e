"""Find renditions whose objects are missing in the store, and fail the jobs that show them.

Atelier deletes no object that a row names, but people and lifecycle rules of buckets do. No result may name a
missing object, so the jobs fail as ``rendition_lost`` and can be retried.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from shared.database import transaction
from shared.queue.renditions import KEY_COLUMNS
from shared.store import ObjectStore

PAGE = 500

LOST = "the rendition's file is missing in the store: retry the batch"

# Created before the listing began, and not in it.
GONE = """
SELECT r.id, r.object_key FROM renditions r
WHERE r.created_at < :began AND NOT EXISTS (SELECT FROM listed l WHERE l.key = r.object_key)
ORDER BY r.id
"""


def lost_renditions(engine: Engine, store: ObjectStore) -> list[int]:
    """Return the ids of renditions without an object.

    The database compares the listing, so that memory does not grow with the store.
    """
    with transaction(engine) as connection:
        began = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        connection.execute(text("CREATE TEMP TABLE listed (key text) ON COMMIT DROP"))
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor, cursor.copy("COPY listed FROM STDIN") as copy:
            for entry in store.list("renditions/"):
                copy.write_row((entry.key,))
        connection.execute(text("CREATE INDEX ON listed (key)"))
        connection.execute(text("ANALYZE listed"))
        return list(connection.execute(text(GONE), {"began": began}).scalars())


def fail_lost(engine: Engine, lost: Sequence[int]) -> int:
    """Fail the jobs that show these renditions, a page at a time; return how many. Safe to interrupt and repeat."""
    failed = 0
    for first in range(0, len(lost), PAGE):
        with transaction(engine) as connection:
            failed += fail_lost_page(connection, lost[first : first + PAGE])
    return failed


def fail_lost_page(connection: Connection, renditions: Sequence[int]) -> int:
    """Delete renditions whose objects are missing, and fail the jobs that show them; return how many jobs.

    Locks in the common order: chunks, renditions, jobs, batches.
    """
    ids = {"ids": list(renditions)}
    connection.execute(
        text("""
        SELECT c.id FROM chunks c WHERE EXISTS (
            SELECT FROM job_renditions l WHERE l.rendition_id = ANY(:ids) AND l.batch_id = c.batch_id
              AND l.ordinal BETWEEN c.first_ordinal AND c.last_ordinal)
        ORDER BY c.id FOR UPDATE
        """),
        ids,
    )
    connection.execute(text(f"SELECT id FROM renditions WHERE id = ANY(:ids) ORDER BY {KEY_COLUMNS} FOR UPDATE"), ids)
    counts = connection.execute(
        text("""
        WITH shown AS (
            SELECT DISTINCT batch_id, ordinal FROM job_renditions WHERE rendition_id = ANY(:ids)
        ), unlinked AS (
            DELETE FROM job_renditions l USING shown s WHERE l.batch_id = s.batch_id AND l.ordinal = s.ordinal
        ), failed AS (
            UPDATE jobs j SET state = 'failed', reused = false, code = 'rendition_lost', message = :message,
                retryable = true
            FROM shown s WHERE j.batch_id = s.batch_id AND j.ordinal = s.ordinal AND j.state = 'succeeded'
            RETURNING j.batch_id, old.reused
        )
        SELECT batch_id, count(*) AS jobs, count(*) FILTER (WHERE reused) AS reused FROM failed
        GROUP BY batch_id ORDER BY batch_id
        """),
        ids | {"message": LOST},
    ).all()
    for row in counts:
        connection.execute(
            text("""
            UPDATE batches SET succeeded = succeeded - :jobs, failed = failed + :jobs, reused = reused - :reused
            WHERE id = :id
            """),
            {"id": row.batch_id, "jobs": row.jobs, "reused": row.reused},
        )
    connection.execute(text("DELETE FROM renditions WHERE id = ANY(:ids)"), ids)
    return sum(row.jobs for row in counts)
