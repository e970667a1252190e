"""What a catalogue shows now, for feeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, text

from shared.database import transaction
from shared.look import Look

PAGE = 5000


@dataclass(frozen=True)
class ShownPicture:
    """Rendition that a catalogue image shows. ``look`` is its look, as far as it is known."""

    sku: str
    position: int
    image: str
    look: Look | None
    preset: str
    object_key: str


def shown_pictures(engine: Engine, merchant: int) -> Iterator[ShownPicture]:
    """Yield the renditions that a merchant's catalogue shows. Each page is a transaction: slow readers hold none.

    A rendition's look is that of a job that made it or, where those are pruned, the one that applies to its image now.
    """
    after = 0
    while True:
        with transaction(engine, merchant=merchant) as connection:
            rows = connection.execute(
                text("""
                SELECT i.id, i.sku, i.position, i.image, r.preset, r.object_key, coalesce(made.look, l.look) AS look
                FROM (SELECT * FROM catalog_images
                      WHERE merchant_id = :merchant AND id > :after AND removed_at IS NULL
                        AND publication_id IS NOT NULL
                      ORDER BY id LIMIT :page) i
                JOIN publications p ON p.id = i.publication_id AND p.image_id = i.id
                LEFT JOIN renditions r ON r.id = p.rendition_id
                LEFT JOIN LATERAL (
                    SELECT j.look FROM job_renditions o JOIN jobs j ON j.batch_id = o.batch_id AND j.ordinal = o.ordinal
                    WHERE o.rendition_id = p.rendition_id LIMIT 1) made ON true
                LEFT JOIN LATERAL (
                    SELECT look FROM catalog_looks WHERE merchant_id = :merchant AND made.look IS NULL
                      AND (scope, value) IN (('sku', i.sku), ('collection', i.collection), ('category', i.category),
                                             ('default', ''))
                    ORDER BY array_position(ARRAY['sku', 'collection', 'category', 'default'], scope) LIMIT 1) l ON true
                ORDER BY i.id
                """),
                {"merchant": merchant, "after": after, "page": PAGE},
            ).all()
        for row in rows:
            if row.object_key is not None:
                look = None if row.look is None else Look.from_json(row.look)
                yield ShownPicture(row.sku, row.position, row.image, look, row.preset, row.object_key)
        if len(rows) < PAGE:
            return
        after = rows[-1].id
