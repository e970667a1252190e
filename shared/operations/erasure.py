"""Erase a merchant: first the batches, then all other rows, then the objects, and last the merchant's own row.

That row marks the merchant as being erased, so that nothing new is accepted until the end. After an
interruption the same call continues. The erasure waits for workers that process a chunk; a worker that lost
its lease finds no chunk to write for. No row names what such a worker puts into the store later, so the sweep
of orphans deletes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from shared.database import transaction
from shared.errors import Conflict
from shared.merchants import audit
from shared.models.promotion.verdicts import forget_own_styles, forget_sheets
from shared.models.training.photos import withdraw
from shared.operations.belongings import belongings, own_objects, own_style_objects
from shared.operations.prune import Pruned, remove_slice
from shared.store import ObjectStore

SLICE_ROWS = 1000
SLICE_OBJECTS = 1000
DELETIONS_AT_ONCE = 8
POLL_SECONDS = 0.2

ENDED = "merchant_id = :merchant AND state <> 'running'"


@dataclass
class Erased:
    """Count what has been removed so far."""

    rows: int = 0
    objects: int = 0


def erase(engine: Engine, store: ObjectStore, merchant: int, report: Callable[[str], None]) -> Erased:
    """Remove a merchant with all rows and objects; only the audit log keeps the merchant's id.

    Raises Conflict while batches run: cancel them first.
    """
    begin(engine, merchant)
    wait_for_workers(engine, merchant, report)
    done = Erased()
    remove_batches(engine, merchant, done)
    report(f"{done.rows} rows removed")
    remove_objects(engine, store, merchant, done)
    report(f"{done.objects} objects removed")
    for table, condition in reversed(belongings().items()):
        if table != "merchants":
            done.rows += remove_rows(engine, table, condition, merchant)
    with transaction(engine) as connection:
        done.rows += connection.execute(text("DELETE FROM merchants WHERE id = :id"), {"id": merchant}).rowcount
        audit.record(connection, audit.operator(), "merchants erase", merchant, {"step": "done"} | done.__dict__)
    return done


def begin(engine: Engine, merchant: int) -> None:
    """Mark a merchant, so that nothing new is accepted. Raises Conflict while batches run.

    Waits for transactions that add something of the merchant's: the lock conflicts with that of a foreign key.
    """
    with transaction(engine) as connection:
        begun = connection.execute(
            text("SELECT erasing_at FROM merchants WHERE id = :id FOR UPDATE"), {"id": merchant}
        ).scalar_one()
        running = connection.execute(
            text("SELECT count(*) FROM batches WHERE merchant_id = :id AND state = 'running'"), {"id": merchant}
        ).scalar_one()
        if running:
            raise Conflict(f"the merchant has {running} running batches: cancel them first (`atelier cancel`)")
        if begun is None:
            connection.execute(
                text("UPDATE merchants SET erasing_at = clock_timestamp() WHERE id = :id"), {"id": merchant}
            )
            withdraw(connection, merchant)
            audit.record(connection, audit.operator(), "merchants erase", merchant, {"step": "begun"})


def wait_for_workers(engine: Engine, merchant: int, report: Callable[[str], None]) -> None:
    """Wait until workers have released the merchant's chunks, or their leases have expired."""
    reported = False
    while chunks := _leased(engine, merchant):
        if not reported:
            report(f"waiting for workers that still process {chunks} of the merchant's chunks")
            reported = True
        time.sleep(POLL_SECONDS)


def _leased(engine: Engine, merchant: int) -> int:
    with transaction(engine) as connection:
        leased = connection.execute(
            text("SELECT count(*) FROM chunks WHERE lease_expires_at > clock_timestamp() AND merchant_id = :merchant"),
            {"merchant": merchant},
        )
        return int(leased.scalar_one())


def remove_batches(engine: Engine, merchant: int, done: Erased) -> None:
    """Remove the merchant's batches in slices, each a short transaction, as pruning does."""
    with transaction(engine) as connection:
        rows = connection.execute(
            text("SELECT id FROM batches WHERE merchant_id = :merchant ORDER BY id"), {"merchant": merchant}
        )
        batches: list[UUID] = list(rows.scalars())
    for batch_id in batches:
        ended = False
        while not ended:
            with transaction(engine) as connection:
                removed, _ = remove_slice(connection, batch_id, ENDED, {"merchant": merchant})
            if removed == Pruned():
                raise Conflict(f"batch {batch_id} is running again: cancel it and repeat the erasure")
            done.rows += removed.jobs + removed.renditions + removed.batches
            ended = removed.batches > 0


def remove_objects(engine: Engine, store: ObjectStore, merchant: int, done: Erased) -> None:
    """Delete the merchant's objects, those of own styles, and contact sheets with the merchant's photos."""
    with transaction(engine) as connection:
        sheets = forget_sheets(connection, merchant)
        forget_own_styles(connection, merchant)
        styles = unshared(connection, merchant, own_style_objects(connection, merchant))
    with ThreadPoolExecutor(DELETIONS_AT_ONCE, "erase") as pool:
        done.objects += _delete(pool, store, [*styles, *sheets])
        keys = (info.key for info in own_objects(store, merchant))
        while page := list(islice(keys, SLICE_OBJECTS)):
            done.objects += _delete(pool, store, page)


def unshared(connection: Connection, merchant: int, keys: Sequence[str]) -> list[str]:
    """Return the objects that are the vector or a picture of no other merchant's style."""
    rows = connection.execute(
        text("""
        SELECT key FROM unnest(CAST(:keys AS text[])) key WHERE key NOT IN (
            SELECT r.object_key FROM style_rows r JOIN styles s ON s.id = r.style_id
            WHERE s.merchant_id IS DISTINCT FROM :merchant
            UNION SELECT 'pictures/' || picture FROM styles s, unnest(s.pictures) picture
            WHERE s.merchant_id IS DISTINCT FROM :merchant)
        """),
        {"keys": list(keys), "merchant": merchant},
    )
    return list(rows.scalars())


def _delete(pool: ThreadPoolExecutor, store: ObjectStore, keys: Iterable[str]) -> int:
    return sum(1 for _ in pool.map(store.delete, keys))


def remove_rows(engine: Engine, table: str, condition: str, merchant: int) -> int:
    """Remove a merchant's rows of a table, a limited number per transaction; return how many."""
    some = text(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {condition} LIMIT :most))")
    total, removed = 0, SLICE_ROWS
    while removed == SLICE_ROWS:
        with transaction(engine) as connection:
            removed = connection.execute(some, {"merchant": merchant, "most": SLICE_ROWS}).rowcount
        total += removed
    return total
