"""Catalogue images: what a merchant has for each (sku, position)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class CatalogImage:
    """Catalogue image as its merchant sees it. ``look_scope`` is the narrowest scope that has a look for it.

    ``styled``: the newest rendition is of the current content, whatever is shown. ``refused``: the error code, if the
    content was refused. ``gone_at``: time since which the source is missing; the shown rendition stays.
    """

    id: int
    sku: str
    position: int
    image: str
    category: str
    collection: str
    look_scope: str | None
    styled: bool
    refused: str | None
    gone_at: datetime | None
    object_key: str | None


def list_images(connection: Connection, merchant: int, *, after: int = 0, limit: int = 100) -> list[CatalogImage]:
    """Return a page of a merchant's catalogue, with ids above ``after``, and the rendition shown of each image."""
    rows = connection.execute(
        text("""
        SELECT i.id, i.sku, i.position, i.image, i.category, i.collection, l.scope AS look_scope,
               coalesce(i.styled_content = i.content, false) AS styled,
               CASE WHEN i.refused_content = i.content THEN i.refused_code END AS refused, i.gone_at,
               r.object_key
        FROM (SELECT * FROM catalog_images WHERE merchant_id = :merchant AND id > :after AND removed_at IS NULL
              ORDER BY id LIMIT :limit) i
        LEFT JOIN publications p ON p.id = i.publication_id LEFT JOIN renditions r ON r.id = p.rendition_id
        LEFT JOIN LATERAL (
            SELECT scope FROM catalog_looks WHERE merchant_id = :merchant
              AND (scope, value) IN (('sku', i.sku), ('collection', i.collection), ('category', i.category),
                                     ('default', ''))
            ORDER BY array_position(ARRAY['sku', 'collection', 'category', 'default'], scope) LIMIT 1
        ) l ON true
        ORDER BY i.id
        """),
        {"merchant": merchant, "after": after, "limit": limit},
    )
    return [CatalogImage(**row._asdict()) for row in rows]
