"""End looks that were set for a time, and show again what they replaced.

What was shown of the same photo before is shown at once. The next night plans the images in the look that applies
again: its renditions are there already, so they are reused, and images that have none get theirs.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError

from shared.catalog.looks import COLUMNS, CatalogLook
from shared.database import Lock, database_time, lock, transaction
from shared.errors import DatabaseUnavailable, UsageError
from shared.merchants import audit

CALENDAR = "calendar"
"""Actor of what happens because its time has come."""

log = structlog.get_logger()


def replaced_look(connection: Connection, merchant: int, scope: str, value: str) -> dict[str, Any]:
    """Return what is put back when a look that is about to be set ends: the look that stays, None if there is none.

    A look that replaces one with an end keeps what that replaced.
    """
    row = connection.execute(
        text("""
        SELECT coalesce(before, jsonb_build_object(
            'since', clock_timestamp(), 'look', look, 'state', state, 'follows_model', follows_model))
        FROM catalog_looks WHERE merchant_id = :merchant AND scope = :scope AND value = :value FOR UPDATE
        """),
        {"merchant": merchant, "scope": scope, "value": value},
    ).scalar_one_or_none()
    return row or {"since": database_time(connection).isoformat(), "look": None}


def set_end(connection: Connection, look: CatalogLook, replaced: dict[str, Any], until: datetime) -> CatalogLook:
    """Let a look end at a time, by the database's clock. Raises UsageError for a time that is over."""
    if until <= database_time(connection):
        raise UsageError(f"{until:%Y-%m-%d %H:%M} UTC is over: give a later time for the look to end")
    row = connection.execute(
        text(f"""
        UPDATE catalog_looks SET ends_at = :until, before = CAST(:before AS jsonb) WHERE id = :id RETURNING {COLUMNS}
        """),
        {"id": look.id, "until": until, "before": json.dumps(replaced)},
    )
    return CatalogLook.from_row(row.one())


def end_looks(engine: Engine, now: datetime) -> int:
    """End the looks whose time is over; return how many. One that fails is tried again by the next tick."""
    with transaction(engine) as connection:
        due = connection.execute(
            text("SELECT id, merchant_id FROM catalog_looks WHERE ends_at <= :now ORDER BY ends_at, id"), {"now": now}
        ).all()
    ended = 0
    for look in due:
        try:
            with transaction(engine, merchant=look.merchant_id) as connection:
                ended += end_look(connection, look.merchant_id, look.id, now)
        except (DatabaseUnavailable, DBAPIError) as error:
            log.warning("look_not_ended", look=look.id, merchant=look.merchant_id, error=str(error))
    return ended


def end_look(connection: Connection, merchant: int, look_id: int, now: datetime) -> bool:
    """End a look if its time is over: put back the one that it replaced, or remove it. Return whether it was ended."""
    lock(connection, Lock.CATALOG, merchant)
    look = connection.execute(
        text("""
        SELECT id, merchant_id, scope, before FROM catalog_looks
        WHERE id = :id AND merchant_id = :merchant AND ends_at <= :now FOR UPDATE
        """),
        {"id": look_id, "merchant": merchant, "now": now},
    ).one_or_none()
    if look is None:
        return False
    shown = _show_earlier(connection, look)
    if look.before["look"] is None:
        connection.execute(text("DELETE FROM catalog_looks WHERE id = :id"), {"id": look.id})
    else:
        connection.execute(
            text("""
            UPDATE catalog_looks SET look = before -> 'look', state = before ->> 'state',
                follows_model = CAST(before ->> 'follows_model' AS boolean), ends_at = NULL, before = NULL,
                changed_at = clock_timestamp()
            WHERE id = :id
            """),
            {"id": look.id},
        )
    details = {"scope": look.scope, "put_back": look.before["look"] is not None, "images": shown}
    audit.record(connection, CALENDAR, "catalog look end", merchant, details)
    return True


def _show_earlier(connection: Connection, look: Row[Any]) -> int:
    """Show what images showed before the look was set, where they show what it has made; return how many.

    An image whose photo has changed since is left to the next night.
    """
    return connection.execute(
        text("""
        WITH shown AS (
            INSERT INTO publications (merchant_id, image_id, rendition_id, before_id, batch_id, action, made_by)
            SELECT i.merchant_id, i.id, b.rendition_id, b.before_id, b.batch_id, 'revert', :who
            FROM catalog_images i JOIN publications p ON p.id = i.publication_id AND p.image_id = i.id
            JOIN renditions r ON r.id = p.rendition_id
            LEFT JOIN LATERAL (
                SELECT b.* FROM publications b
                WHERE b.image_id = i.id AND b.made_at < :since ORDER BY b.made_at DESC, b.id DESC LIMIT 1) b ON true
            LEFT JOIN renditions e ON e.id = b.rendition_id
            WHERE i.merchant_id = :merchant AND i.removed_at IS NULL AND p.made_at >= :since
              AND EXISTS (SELECT FROM night_images n
                          WHERE n.batch_id = p.batch_id AND n.image_id = i.id AND n.look_id = :look)
              AND CASE WHEN b.id IS NULL
                       THEN EXISTS (SELECT FROM publications f
                                    WHERE f.image_id = i.id AND f.is_first AND f.made_at >= :since)
                       ELSE e.source_sha256 IS NULL OR e.source_sha256 = r.source_sha256 END
            RETURNING id, image_id
        )
        UPDATE catalog_images i SET publication_id = shown.id FROM shown WHERE i.id = shown.image_id
        """),
        {
            "merchant": look.merchant_id,
            "look": look.id,
            "who": CALENDAR,
            "since": datetime.fromisoformat(look.before["since"]),
        },
    ).rowcount
