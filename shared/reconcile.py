"""Reconciling: rows and objects compared, since neither a bucket nor a killed process keeps to our transactions.

An object that no row names goes: its worker died between put and commit, or a prune was interrupted. A rendition whose
object is gone takes its jobs with it, which fail as ``rendition_lost`` and can be retried: no result may name nothing.
A source goes when it is older than each batch of its merchant, since every submission makes young what it names, and
no copy of a web address is kept in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from shared import prune
from shared.database import transaction
from shared.renditions import KEY_COLUMNS
from shared.store import ObjectStore

PAGE = 500

LOST = "the rendition's file is gone from the store: retry the batch"

OLD = "l.modified_at < clock_timestamp() - CAST(:grace AS interval)"

ORPHANS = f"""
SELECT l.key FROM listed l
WHERE l.key LIKE 'renditions/%' AND {OLD} AND NOT EXISTS (SELECT FROM renditions r WHERE r.object_key = l.key)
ORDER BY l.key
"""

# By an hour, since the store's clock is not the database's.
SOURCES = f"""
SELECT l.key FROM listed l
LEFT JOIN (SELECT merchant_id, min(created_at) AS first FROM batches GROUP BY merchant_id) b
    ON l.key LIKE 'sources/' || b.merchant_id || '/%'
WHERE l.key LIKE 'sources/%' AND {OLD} AND (b.first IS NULL OR l.modified_at < b.first - interval '1 hour')
  AND NOT EXISTS (
    SELECT FROM source_copies c
    WHERE l.key = 'sources/' || c.merchant_id || '/' || left(c.sha256, 2) || '/' || c.sha256)
ORDER BY l.key
"""

# Put before the listing began and not in it.
GONE = """
SELECT r.id, r.object_key FROM renditions r
WHERE r.created_at < :began AND NOT EXISTS (SELECT FROM listed l WHERE l.key = r.object_key)
ORDER BY r.id
"""


@dataclass(frozen=True)
class Differences:
    """Keys of objects that nothing names and of sources that no batch can need; ids of renditions without an object."""

    orphans: Sequence[str]
    sources: Sequence[str]
    lost: Sequence[int]


def differences(engine: Engine, store: ObjectStore) -> Differences:
    """List the store and compare it with the rows, in the database, so that memory does not grow with the store."""
    with transaction(engine) as connection:
        began = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        connection.execute(text("CREATE TEMP TABLE listed (key text, modified_at timestamptz) ON COMMIT DROP"))
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor() as cursor, cursor.copy("COPY listed FROM STDIN") as copy:
            for prefix in ("renditions/", "sources/"):
                for found in store.list(prefix):
                    copy.write_row((found.key, found.modified_at))
        connection.execute(text("CREATE INDEX ON listed (key)"))
        connection.execute(text("ANALYZE listed"))
        grace = {"grace": prune.GRACE}
        return Differences(
            orphans=list(connection.execute(text(ORPHANS), grace).scalars()),
            sources=list(connection.execute(text(SOURCES), grace).scalars()),
            lost=list(connection.execute(text(GONE), {"began": began}).scalars()),
        )


@dataclass(frozen=True)
class Reconciled:
    """Objects and sources removed, and jobs that failed because their rendition was lost."""

    objects: int
    sources: int
    failed: int


def reconcile(engine: Engine, store: ObjectStore, found: Differences) -> Reconciled:
    """Put right what differs, a page at a time. May be interrupted and called again, also beside workers."""
    objects = sum(prune.delete_objects(engine, store, page) for page in _pages(found.orphans))
    sources = sum(_delete_source(store, key) for key in found.sources)
    failed = 0
    for page in _pages(found.lost):
        with transaction(engine) as connection:
            failed += fail_lost(connection, page)
    return Reconciled(objects, sources, failed)


def _pages(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[first : first + PAGE] for first in range(0, len(items), PAGE)]


def _delete_source(store: ObjectStore, key: str) -> bool:
    """Delete a source, unless a submission has just named it."""
    found = next((one for one in store.list(key) if one.key == key), None)
    if found is None or found.modified_at > datetime.now(UTC) - prune.GRACE:
        return False
    store.delete(key)
    return True


def fail_lost(connection: Connection, renditions: Sequence[int]) -> int:
    """Forget renditions whose objects are gone, and fail the jobs that show them; return how many jobs.

    Locks in the order that all obey: chunks, renditions, jobs, batches.
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
