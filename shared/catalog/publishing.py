"""Publish renditions: each catalogue image points to a publication, which names the rendition shown.

Every move of the pointer is a row, so that an image, a collection or a night can be reverted at once, and everybody
sees who did it. A revert changes what is shown but not what is known to be made: the next night does not undo it,
the next change of the photo or its look does.

Writers of many images of a catalogue run one after the other, like imports and plans: each locks rows in an order of
its own, and two at once would deadlock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from shared.catalog.nights import Night
from shared.catalog.source_checks import EVERY
from shared.database import Lock, lock
from shared.errors import NotFound

PLANNER = "nightly"
"""Actor of publications that a night's rules make."""

_JOBS = "night_images n JOIN jobs j ON j.batch_id = n.batch_id AND j.ordinal = n.ordinal"


def settle(connection: Connection, night: Night, now: datetime) -> int:
    """Record what an ended night has made and what was refused, and publish it if its rules say so.

    Returns how many images now show another rendition. Images that failed temporarily, or were cancelled, are still
    stale and come first in the next night.
    """
    lock(connection, Lock.CATALOG, night.merchant_id)
    first = connection.execute(
        text("UPDATE nights SET settled_at = clock_timestamp() WHERE id = :id AND settled_at IS NULL"), {"id": night.id}
    )
    if not first.rowcount or night.batch_id is None:
        return 0
    connection.execute(
        text(f"""
        UPDATE catalog_images i SET styled_content = n.content, styled_look = n.look, styled_model = n.model,
            styled_source = s.styled, gone_at = NULL,
            check_at = CASE WHEN i.source <> j.source AND i.readdressed_at IS NOT NULL
                            THEN least(i.check_at, :check_at) ELSE :check_at END,
            readdressed_at = CASE WHEN i.source <> j.source THEN i.readdressed_at END,
            refused_content = NULL, refused_code = NULL, refused_at = NULL
        FROM {_JOBS} CROSS JOIN LATERAL (
            SELECT CAST(left(min(r.source_sha256), 32) AS uuid) AS styled
            FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
            WHERE l.batch_id = n.batch_id AND l.ordinal = n.ordinal) s
        WHERE n.batch_id = :batch AND j.state = 'succeeded' AND i.id = n.image_id
        """),
        {"batch": night.batch_id, "check_at": now + EVERY},
    )
    connection.execute(
        text(f"""
        UPDATE catalog_images i SET refused_content = n.content, refused_code = j.code, refused_at = clock_timestamp()
        FROM {_JOBS} WHERE n.batch_id = :batch AND j.state = 'failed' AND NOT j.retryable AND i.id = n.image_id
        """),
        {"batch": night.batch_id},
    )
    return publish(connection, night.merchant_id, night.batch_id, PLANNER) if night.rules.publish else 0


def publish(connection: Connection, merchant: int, batch_id: UUID, who: str, *, ordinal: int | None = None) -> int:
    """Show what a night's batch has made; return how many images now show another rendition. Raises NotFound.

    With ``ordinal`` only that image, unless a newer rendition has been made of it. Held renditions are left out until
    they are approved, and those that break a rule of their preset for good.
    """
    lock(connection, Lock.CATALOG, merchant)
    known = connection.execute(
        text("SELECT 1 FROM nights WHERE batch_id = :batch AND merchant_id = :merchant"),
        {"batch": batch_id, "merchant": merchant},
    ).one_or_none()
    if known is None:
        raise NotFound(f"batch {batch_id} is not a night's: `atelier schedules calendar` lists those of nights")
    return connection.execute(
        text(f"""
        WITH shown AS (
            INSERT INTO publications (merchant_id, image_id, rendition_id, before_id, batch_id, action, made_by,
                                      is_first)
            SELECT :merchant, i.id, r.id, i.publication_id, :batch, 'publish', :who, i.publication_id IS NULL
            FROM {_JOBS} JOIN catalog_images i ON i.id = n.image_id
            LEFT JOIN publications p ON p.id = i.publication_id
            CROSS JOIN LATERAL (
                SELECT min(l.rendition_id) AS id FROM job_renditions l JOIN renditions f ON f.id = l.rendition_id
                WHERE l.batch_id = n.batch_id AND l.ordinal = n.ordinal
                  AND f.report ->> 'passed' IS DISTINCT FROM 'false') r
            WHERE n.batch_id = :batch AND j.state = 'succeeded' AND r.id IS NOT NULL
              AND p.rendition_id IS DISTINCT FROM r.id
              AND (CAST(:ordinal AS int) IS NULL OR n.ordinal = :ordinal
                   AND (i.styled_content, i.styled_look, i.styled_model) = (n.content, n.look, n.model))
              AND NOT EXISTS (SELECT FROM reviews v
                              WHERE v.batch_id = n.batch_id AND v.ordinal = n.ordinal AND v.state <> 'approved')
            RETURNING id, image_id
        )
        UPDATE catalog_images i SET publication_id = shown.id FROM shown WHERE i.id = shown.image_id
        """),
        {"batch": batch_id, "merchant": merchant, "who": who, "ordinal": ordinal},
    ).rowcount


def publish_approved(connection: Connection, merchant: int, batch_id: UUID, ordinal: int, who: str) -> int:
    """Show an approved image if its night has been published; return 1 if it is shown now."""
    shows = connection.execute(
        text("""
        SELECT settled_at IS NOT NULL AND (rules ->> 'publish')::boolean FROM nights
        WHERE batch_id = :batch AND merchant_id = :merchant
        """),
        {"batch": batch_id, "merchant": merchant},
    ).scalar_one_or_none()
    return publish(connection, merchant, batch_id, who, ordinal=ordinal) if shows else 0


@dataclass(frozen=True)
class Which:
    """Images to revert: those of a sku (or one position), of a collection, or those that a batch published."""

    sku: str | None = None
    position: int | None = None
    collection: str | None = None
    batch_id: UUID | None = None


def revert(connection: Connection, merchant: int, which: Which, who: str) -> int:
    """Show the previous renditions again; return how many images change. Images that show their first one stay.

    Of a batch only those images are reverted that still show what it made.
    """
    lock(connection, Lock.CATALOG, merchant)
    return connection.execute(
        text("""
        WITH shown AS (
            INSERT INTO publications (merchant_id, image_id, rendition_id, before_id, batch_id, action, made_by)
            SELECT :merchant, i.id, b.rendition_id, b.before_id, b.batch_id, 'revert', :who
            FROM catalog_images i JOIN publications p ON p.id = i.publication_id AND p.image_id = i.id
            JOIN publications b ON b.id = p.before_id
            WHERE i.merchant_id = :merchant
              AND (CAST(:sku AS text) IS NULL OR i.sku = CAST(:sku AS text))
              AND (CAST(:position AS int) IS NULL OR i.position = CAST(:position AS int))
              AND (CAST(:collection AS text) IS NULL OR i.collection = CAST(:collection AS text))
              AND (CAST(:batch_id AS uuid) IS NULL OR p.batch_id = CAST(:batch_id AS uuid))
            RETURNING id, image_id
        )
        UPDATE catalog_images i SET publication_id = shown.id FROM shown WHERE i.id = shown.image_id
        """),
        {"merchant": merchant, "who": who} | which.__dict__,
    ).rowcount


@dataclass(frozen=True)
class Publication:
    """Move of the pointer as its merchant sees it. ``object_key`` is None where the photo itself was shown again."""

    id: int
    position: int
    object_key: str | None
    batch_id: UUID | None
    action: str
    made_by: str
    made_at: datetime
    current: bool


def history(connection: Connection, merchant: int, sku: str) -> list[Publication]:
    """Return the renditions that were shown of a sku, newest first."""
    rows = connection.execute(
        text("""
        SELECT p.id, i.position, r.object_key, p.batch_id, p.action, p.made_by, p.made_at,
               p.id = i.publication_id AS current
        FROM catalog_images i JOIN publications p ON p.image_id = i.id LEFT JOIN renditions r ON r.id = p.rendition_id
        WHERE i.merchant_id = :merchant AND i.sku = :sku ORDER BY i.position, p.id DESC
        """),
        {"merchant": merchant, "sku": sku},
    )
    return [Publication(**row._asdict()) for row in rows]
