"""Orphans: objects that nothing names, as a worker leaves them that died between put and commit.

A slice of the store's listing is compared with the tables in one query. Whatever is put is young again, and named
within hours; so what is old and has no name will get none. Should somebody put the very same again in the moment
between the last look and the deletion, the rendition is found missing when it is next reused, and made anew.
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
"""So long after the last put an object may still get its name: a page of a large submission takes hours to store."""

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
        """,
    "training/": """
        NOT EXISTS (SELECT FROM training_runs r
                    WHERE r.finished_at IS NULL AND CAST(r.id AS text) = split_part(key, '/', 2))
        """,
    "verdicts/": "NOT EXISTS (SELECT FROM verdicts v WHERE v.sheet_key = key)",
    "pictures/": "NOT EXISTS (SELECT FROM styles s WHERE split_part(key, '/', 2) = ANY(s.pictures))",
}
"""Below which prefixes there may be orphans, and what is true of their keys."""


def orphans(engine: Engine, store: ObjectStore, grace: timedelta) -> Iterator[list[str]]:
    """Yield the keys of orphans that were not put within the time of grace, slice by slice of the listing."""
    before = store_time(store) - grace
    for prefix, unnamed in UNNAMED.items():
        old = (one.key for one in store.list(prefix) if one.modified_at < before)
        while keys := list(islice(old, SLICE_OBJECTS)):
            with transaction(engine) as connection:
                rows = connection.execute(
                    text(f"SELECT key FROM unnest(CAST(:keys AS text[])) key WHERE {unnamed}"), {"keys": keys}
                )
                found = list(rows.scalars())
            yield found


def delete_old(store: ObjectStore, keys: Collection[str], grace: timedelta) -> int:
    """Delete those objects that were not put within the time of grace; return how many."""
    if not keys:
        return 0
    before = store_time(store) - grace

    def delete(key: str) -> bool:
        found = next((one for one in store.list(key) if one.key == key), None)
        if found is None or found.modified_at >= before:
            return False
        store.delete(key)
        return True

    with ThreadPoolExecutor(DELETIONS_AT_ONCE, "delete") as pool:
        return sum(pool.map(delete, keys))


def store_time(store: ObjectStore) -> datetime:
    """Return the time by the clock that dates the objects; ours may be wrong by more than any time of grace."""
    key = f"clock/{uuid4().hex}"
    store.put(key, b"")
    try:
        return next(found.modified_at for found in store.list(key))
    finally:
        store.delete(key)


def forget_copies(engine: Engine, days: int) -> int:
    """Forget what URLs gave so many days ago, a slice at a time; return how many. Their objects become orphans."""
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
