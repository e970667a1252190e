"""Show again what a catalogue showed at an earlier time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from shared.database import Lock, lock


@dataclass(frozen=True)
class AsOf:
    """What going back to an earlier time changes.

    ``moved``    images that show another rendition, or their photo, than before.
    ``photos``   those of them that show their photo again, since no rendition was shown then.
    ``unknown``  images that stay, since what they showed then has been pruned.
    """

    moved: int
    photos: int
    unknown: int


_BACK = """
WITH back AS (
    SELECT i.id AS image_id, i.publication_id, b.id AS then_id, b.rendition_id, b.before_id, b.batch_id,
           p.rendition_id IS DISTINCT FROM b.rendition_id AS differs,
           b.id IS NOT NULL OR EXISTS (
               SELECT FROM publications f WHERE f.image_id = i.id AND f.is_first AND f.made_at > :at) AS known
    FROM catalog_images i JOIN publications p ON p.id = i.publication_id AND p.image_id = i.id
    LEFT JOIN LATERAL (
        SELECT b.id, b.rendition_id, b.before_id, b.batch_id FROM publications b
        WHERE b.image_id = i.id AND b.made_at <= :at ORDER BY b.made_at DESC, b.id DESC LIMIT 1) b ON true
    WHERE i.merchant_id = :merchant AND i.removed_at IS NULL AND p.made_at > :at
)
"""


def count_as_of(connection: Connection, merchant: int, at: datetime) -> AsOf:
    """Return what ``revert_as_of`` would change, and change nothing."""
    row = connection.execute(
        text(f"""
        {_BACK}
        SELECT count(*) FILTER (WHERE known AND differs) AS moved,
               count(*) FILTER (WHERE known AND differs AND rendition_id IS NULL) AS photos,
               count(*) FILTER (WHERE NOT known) AS unknown
        FROM back
        """),
        {"merchant": merchant, "at": at},
    ).one()
    return AsOf(row.moved, row.photos, row.unknown)


def revert_as_of(connection: Connection, merchant: int, at: datetime, who: str) -> AsOf:
    """Show what each image of a catalogue showed at a time, its photo if no rendition was shown then.

    Like a revert, it changes what is shown and not what is known to be made: the next night does not undo it.
    """
    lock(connection, Lock.CATALOG, merchant)
    counted = count_as_of(connection, merchant, at)
    connection.execute(
        text(f"""
        {_BACK}, shown AS (
            INSERT INTO publications (merchant_id, image_id, rendition_id, before_id, batch_id, action, made_by)
            SELECT :merchant, image_id, rendition_id, before_id, batch_id, 'revert', :who
            FROM back WHERE known AND differs
            RETURNING id, image_id
        )
        UPDATE catalog_images i SET publication_id = shown.id FROM shown WHERE i.id = shown.image_id
        """),
        {"merchant": merchant, "at": at, "who": who},
    )
    return counted
