"""Remove old batches, a slice at a time, while all other work goes on.

A slice is one short transaction over some chunks of a finished batch, in the common order of locks:
chunks → renditions → jobs → batch. A rendition is removed with the last job that shows it. Its object is
deleted after the row, so that no row ever names a missing object. Last comes the sweep of orphans
(``orphans.py``), which also finds what an interruption left. What the catalogue shows stays, however old.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from shared.database import transaction
from shared.limits import MOST_DAYS, require_between
from shared.merchants import audit
from shared.merchants.actors import Actor
from shared.operations import orphans
from shared.queue.renditions import KEY_COLUMNS
from shared.store import ObjectStore

SLICE_CHUNKS = 16
SLICE_JOBS = 1000
SLICE_PUBLICATIONS = 1000

GRACE = timedelta(hours=1)
"""Age below which an object stays, since a worker may be about to record it."""

# A retried batch is no longer over. Retrying locks the batch's chunks first, as a slice does.
OVER = "finished_at < clock_timestamp() - make_interval(days => :days)"


@dataclass(frozen=True)
class Pruned:
    """Count what was removed.

    ``copies`` are cached copies of URLs, ``orphans`` objects that no row named, ``publications`` images that the
    catalogue once showed.
    """

    batches: int = 0
    jobs: int = 0
    renditions: int = 0
    objects: int = 0
    copies: int = 0
    orphans: int = 0
    publications: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class OldBatch(NamedTuple):
    """Batch to remove, and whose it was."""

    id: UUID
    merchant_id: int


def due(connection: Connection, days: int) -> tuple[int, int]:
    """Count the batches that ended more than ``days`` ago, and the jobs they were accepted with."""
    require_between("days", days, 1, MOST_DAYS)
    row = connection.execute(
        text(f"SELECT count(*) AS batches, coalesce(sum(total), 0) AS jobs FROM batches WHERE {OVER}"), {"days": days}
    ).one()
    return int(row.batches), int(row.jobs)


def prune(engine: Engine, store: ObjectStore, actor: Actor, days: int, progress: Callable[[Pruned], None]) -> Pruned:
    """Remove batches that ended more than ``days`` ago, oldest first, then other data as old, then orphans.

    Calls ``progress`` after each slice. Safe to interrupt, to repeat, and to run twice at the same time. Raises
    UsageError if ``days`` is out of range, and NotAllowed for a merchant's key.
    """
    actor.require_admin()
    require_between("days", days, 1, MOST_DAYS)
    with transaction(engine) as connection:
        batches = connection.execute(
            text(f"SELECT id, merchant_id FROM batches WHERE {OVER} ORDER BY finished_at"), {"days": days}
        ).all()
    total = Pruned()
    for batch in map(OldBatch._make, batches):
        while (removed := prune_slice(engine, store, actor, batch, days)) != Pruned():
            total += removed
            progress(total)
    while (removed := prune_publications(engine, store, days)) != Pruned():
        total += removed
        progress(total)
    total += Pruned(copies=orphans.forget_copies(engine, days))
    for keys in orphans.orphans(engine, store, orphans.GRACE):
        total += Pruned(orphans=orphans.delete_old(store, keys, orphans.GRACE))
        progress(total)
    return total


def prune_slice(engine: Engine, store: ObjectStore, actor: Actor, batch: OldBatch, days: int) -> Pruned:
    """Remove some chunks of a batch with their rows and, after the last chunk, the batch; nothing if it is not over."""
    with transaction(engine) as connection:
        removed, objects = remove_slice(connection, batch.id, OVER, {"days": days})
        if removed.batches:
            audit.record(connection, actor.name, "prune", batch.merchant_id, {"batch": batch.id})
    return replace(removed, objects=delete_objects(engine, store, objects)) if objects else removed


def remove_slice(
    connection: Connection, batch_id: UUID, condition: str, values: Mapping[str, object]
) -> tuple[Pruned, list[str]]:
    """Remove some chunks of a batch that meets a condition. Returns also the keys of objects that no row names."""
    chunks = connection.execute(
        text("""
        SELECT id, last_ordinal FROM chunks WHERE batch_id = :batch ORDER BY first_ordinal LIMIT :most FOR UPDATE
        """),
        {"batch": batch_id, "most": SLICE_CHUNKS},
    ).all()
    batch = connection.execute(
        text(f"SELECT 1 FROM batches WHERE id = :batch AND {condition}"), {"batch": batch_id, **values}
    )
    if batch.one_or_none() is None:
        return Pruned(), []
    if not chunks:
        return remove_rest(connection, batch_id), []
    last = chunks[-1].last_ordinal
    objects = remove_renditions(connection, unlink(connection, batch_id, last))
    jobs = connection.execute(
        text("DELETE FROM jobs WHERE batch_id = :batch AND ordinal <= :last"), {"batch": batch_id, "last": last}
    ).rowcount
    connection.execute(text("DELETE FROM chunks WHERE id = ANY(:ids)"), {"ids": [chunk.id for chunk in chunks]})
    return Pruned(jobs=jobs, renditions=len(objects)), objects


def unlink(connection: Connection, batch_id: UUID, last: int) -> list[int]:
    """Remove the links from jobs up to an ordinal to their renditions; return the renditions' ids."""
    rows = connection.execute(
        text("DELETE FROM job_renditions WHERE batch_id = :batch AND ordinal <= :last RETURNING rendition_id"),
        {"batch": batch_id, "last": last},
    )
    return sorted(set(rows.scalars()))


def remove_renditions(connection: Connection, ids: Collection[int]) -> list[str]:
    """Remove the renditions that no job and no publication uses; return the keys of their objects.

    A publication names one rendition and keeps those in other formats with it.

    Locks first and checks afterwards: a job that reuses a rendition locks it until its link exists.
    """
    connection.execute(
        text(f"SELECT 1 FROM renditions WHERE id = ANY(:ids) ORDER BY {KEY_COLUMNS} FOR UPDATE"), {"ids": list(ids)}
    )
    rows = connection.execute(
        text("""
        DELETE FROM renditions r WHERE id = ANY(:ids)
            AND id NOT IN (SELECT rendition_id FROM job_renditions WHERE rendition_id = ANY(:ids))
            AND NOT EXISTS (
                SELECT FROM renditions s JOIN publications p ON p.rendition_id = s.id
                WHERE s.merchant_id = r.merchant_id AND s.source_sha256 = r.source_sha256
                  AND s.look_sha256 = r.look_sha256 AND s.trunk_sha256 = r.trunk_sha256
                  AND s.pipeline_version = r.pipeline_version)
        RETURNING object_key
        """),
        {"ids": list(ids)},
    )
    return list(rows.scalars())


def prune_publications(engine: Engine, store: ObjectStore, days: int) -> Pruned:
    """Remove images that the catalogue last showed more than ``days`` ago, or that were removed as long ago."""
    old = "< clock_timestamp() - make_interval(days => :days)"
    with transaction(engine) as connection:
        forgotten = connection.execute(
            text(f"""
            DELETE FROM publications WHERE id IN (
                SELECT p.id FROM publications p JOIN catalog_images i ON i.id = p.image_id
                WHERE p.made_at {old} AND (p.id IS DISTINCT FROM i.publication_id OR i.removed_at {old})
                ORDER BY p.made_at LIMIT :most)
            RETURNING rendition_id
            """),
            {"days": days, "most": SLICE_PUBLICATIONS},
        ).scalars()
        ids = list(forgotten)
        in_all_formats = connection.execute(
            text("""
            SELECT DISTINCT s.id FROM renditions r
            JOIN renditions s USING (merchant_id, source_sha256, look_sha256, trunk_sha256, pipeline_version)
            WHERE r.id = ANY(:ids)
            """),
            {"ids": ids},
        ).scalars()
        objects = remove_renditions(connection, list(in_all_formats))
        connection.execute(
            text(f"""
            DELETE FROM catalog_images i
            WHERE removed_at {old} AND NOT EXISTS (SELECT FROM publications p WHERE p.image_id = i.id)
            """),
            {"days": days},
        )
    deleted = delete_objects(engine, store, objects)
    return Pruned(renditions=len(objects), objects=deleted, publications=len(ids))


def remove_rest(connection: Connection, batch_id: UUID) -> Pruned:
    """Remove jobs without a chunk, whose rows were invalid. When none is left, remove the batch."""
    jobs = connection.execute(
        text("""
        DELETE FROM jobs WHERE (batch_id, ordinal) IN (
            SELECT batch_id, ordinal FROM jobs WHERE batch_id = :batch ORDER BY ordinal LIMIT :most)
        """),
        {"batch": batch_id, "most": SLICE_JOBS},
    ).rowcount
    if jobs:
        return Pruned(jobs=jobs)
    return Pruned(batches=connection.execute(text("DELETE FROM batches WHERE id = :id"), {"id": batch_id}).rowcount)


def delete_objects(engine: Engine, store: ObjectStore, keys: Collection[str]) -> int:
    """Delete objects that no rendition names, except ones that were put just now; return how many.

    Another look may have produced the same bytes, and a worker may be making the same rendition again.
    """
    with transaction(engine) as connection:
        rows = connection.execute(
            text("SELECT object_key FROM renditions WHERE object_key = ANY(:keys)"), {"keys": list(keys)}
        )
        named = set(rows.scalars())
    return orphans.delete_old(store, set(keys) - named, GRACE)
