"""Delete orphans: objects that no row names, as a worker leaves them when it dies between put and commit.

A slice of the store's listing is compared with the tables in one query. A put resets an object's age, and its
key is recorded within hours; so an old object without a row will never get one. If somebody puts the same
object between the last check and the deletion, its rendition is found missing at the next reuse and made again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from uuid import uuid4

from sqlalchemy import Engine, text

from shared.database import transaction
from shared.queue.jobs import STORED
from shared.store import ObjectStore

GRACE = timedelta(days=1)
"""Time after the last put in which a row may still name the object: storing a page of a submission takes hours."""

DELETIONS_AT_ONCE = 8
SLICE_OBJECTS = 20_000
SLICE_COPIES = 1000

UNNAMED = {
    "renditions/": "NOT EXISTS (SELECT FROM renditions r WHERE r.object_key = key)",
    "sources/": f"""
        NOT EXISTS (SELECT FROM jobs j WHERE j.source = '{STORED}' || key)
        AND NOT EXISTS (SELECT FROM catalog_images i WHERE i.source = '{STORED}' || key) AND NOT EXISTS (
            SELECT FROM source_copies c
            WHERE 'sources/' || c.merchant_id || '/' || left(c.sha256, 2) || '/' || c.sha256 = key)
        AND NOT EXISTS (
            SELECT FROM uploads u
            WHERE u.kind = 'picture'
              AND 'sources/' || u.merchant_id || '/' || left(u.sha256, 2) || '/' || u.sha256 = key)
        """,
    "uploads/": "NOT EXISTS (SELECT FROM uploads u WHERE CAST(u.id AS text) = split_part(key, '/', 3))",
    # A picture stays while a look names it, though its name was removed or given to another picture.
    "backgrounds/": """
        NOT EXISTS (SELECT FROM (
            SELECT merchant_id, sha256 FROM backgrounds
            UNION ALL SELECT merchant_id, split_part(look ->> 'background', ':', 2) FROM catalog_looks
            UNION ALL SELECT merchant_id, split_part(before #>> '{look,background}', ':', 2) FROM catalog_looks
            UNION ALL SELECT merchant_id, split_part(look ->> 'background', ':', 2) FROM batches
                      WHERE state = 'running'
            UNION ALL SELECT j.merchant_id, split_part(j.look ->> 'background', ':', 2)
                      FROM batches b JOIN jobs j ON j.batch_id = b.id AND j.state = 'queued'
                      WHERE b.state = 'running' AND j.look ->> 'background' LIKE 'picture%'
        ) needed WHERE 'backgrounds/' || needed.merchant_id || '/' || needed.sha256 = key)
        """,
    # Those of renditions are named like them, those of photos by their hash: see shared/queue/thumbnail_keys.py.
    "thumbnails/": r"""
        NOT EXISTS (SELECT FROM renditions r
                    WHERE r.object_key = regexp_replace(key, '^thumbnails/([^/]+)/[^/]+/', 'renditions/\1/'))
        AND NOT EXISTS (SELECT FROM renditions r
                        WHERE r.merchant_id = CAST(substring(key FROM '^thumbnails/([0-9]{1,18})/') AS bigint)
                          AND r.source_sha256 = substring(key FROM '/photos/([0-9a-f]{64})$'))
        """,
    # Feeds of batches; what belongs to a catalogue stays as long as its merchant.
    "feeds/": """
        split_part(key, '/', 3) NOT IN ('catalog', 'published')
        AND NOT EXISTS (SELECT FROM batches b WHERE CAST(b.id AS text) = split_part(key, '/', 3))
        """,
    "training/": """
        NOT EXISTS (SELECT FROM training_runs r
                    WHERE r.finished_at IS NULL AND CAST(r.id AS text) = split_part(key, '/', 2))
        """,
    "verdicts/": "NOT EXISTS (SELECT FROM verdicts v WHERE v.sheet_key = key)",
    "pictures/": "NOT EXISTS (SELECT FROM styles s WHERE split_part(key, '/', 2) = ANY(s.pictures))",
}
"""Condition under which a key is an orphan, by prefix."""


def orphans(engine: Engine, store: ObjectStore, grace: timedelta) -> Iterator[list[str]]:
    """Yield the keys of orphans that were last put before the time of grace, one slice of the listing at a time."""
    before = store_time(store) - grace
    for prefix, unnamed in UNNAMED.items():
        old = (entry.key for entry in store.list(prefix) if entry.modified_at < before)
        while keys := list(islice(old, SLICE_OBJECTS)):
            with transaction(engine) as connection:
                rows = connection.execute(
                    text(f"SELECT key FROM unnest(CAST(:keys AS text[])) key WHERE {unnamed}"), {"keys": keys}
                )
                unnamed_keys = list(rows.scalars())
            yield unnamed_keys


def delete_old(store: ObjectStore, keys: Collection[str], grace: timedelta) -> int:
    """Delete the objects that were last put before the time of grace; return how many."""
    if not keys:
        return 0
    before = store_time(store) - grace

    def delete(key: str) -> bool:
        info = next((entry for entry in store.list(key) if entry.key == key), None)
        if info is None or info.modified_at >= before:
            return False
        store.delete(key)
        return True

    with ThreadPoolExecutor(DELETIONS_AT_ONCE, "delete") as pool:
        return sum(pool.map(delete, keys))


def store_time(store: ObjectStore) -> datetime:
    """Return the time by the store's clock, which dates the objects. The local clock may differ by days."""
    key = f"clock/{uuid4().hex}"
    store.put(key, b"")
    try:
        return next(info.modified_at for info in store.list(key))
    finally:
        store.delete(key)


def forget_copies(engine: Engine, days: int) -> int:
    """Forget copies fetched more than ``days`` ago, in slices; return how many. Their objects become orphans."""
    total, forgotten = 0, SLICE_COPIES
    while forgotten == SLICE_COPIES:
        with transaction(engine) as connection:
            forgotten = connection.execute(
                text("""
                DELETE FROM source_copies WHERE ctid = ANY(ARRAY(
                    SELECT ctid FROM source_copies
                    WHERE fetched_at < clock_timestamp() - make_interval(days => :days) LIMIT :most))
                """),
                {"days": days, "most": SLICE_COPIES},
            ).rowcount
        total += forgotten
    return total
