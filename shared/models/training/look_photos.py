"""Find photos for a verdict in their own looks: current catalogue images, and photos with rejected renditions.

Only merchants who consent to training are included, since the person in charge of the model may see their photos.
A look that follows the model says what a merchant wants of it, not who may see the photos.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.look import Look
from shared.models.training.photos import FRESH, POOL, SourcePhoto


@dataclass(frozen=True)
class LookPhotoSource:
    """Photo in the object store, and its look."""

    photo: SourcePhoto
    look: Look


def live_photos(connection: Connection, most: int) -> list[LookPhotoSource]:
    """Return the newest catalogue images in their assigned looks, alternating between merchants and their looks."""
    rows = connection.execute(
        text(f"""
        SELECT merchant_id, sha256, look
        FROM (SELECT f.*, l.look, row_number() OVER (
                  PARTITION BY f.merchant_id, l.id ORDER BY f.changed_at DESC, f.id DESC) AS place
              FROM ({FRESH}) f CROSS JOIN LATERAL (
                  SELECT l.id, l.look FROM catalog_looks l
                  WHERE l.merchant_id = f.merchant_id AND l.state <> 'rejected' AND l.value = CASE l.scope
                      WHEN 'sku' THEN f.sku WHEN 'collection' THEN f.collection WHEN 'category' THEN f.category
                      ELSE '' END
                  ORDER BY array_position(ARRAY['sku', 'collection', 'category', 'default'], l.scope) LIMIT 1) l
             ) ordered
        ORDER BY place, changed_at DESC, id LIMIT :most
        """),
        {"most": most, "pool": POOL * most},
    )
    return [LookPhotoSource(SourcePhoto(row.merchant_id, row.sha256), Look.from_json(row.look)) for row in rows]


def rejected_photos(connection: Connection, most: int) -> list[LookPhotoSource]:
    """Return photos with recently rejected renditions, newest first, each photo once per look."""
    rows = connection.execute(
        text("""
        SELECT merchant_id, source_sha256, look FROM (
            SELECT DISTINCT ON (v.merchant_id, r.source_sha256, j.look) v.merchant_id, r.source_sha256, j.look,
                   v.judged_at
            FROM merchants m JOIN reviews v ON v.merchant_id = m.id AND v.state = 'rejected'
            JOIN jobs j ON j.batch_id = v.batch_id AND j.ordinal = v.ordinal
            JOIN job_renditions l ON l.batch_id = v.batch_id AND l.ordinal = v.ordinal
            JOIN renditions r ON r.id = l.rendition_id
            WHERE m.consents_to_training AND m.erasing_at IS NULL
            ORDER BY v.merchant_id, r.source_sha256, j.look, v.judged_at DESC
        ) each ORDER BY judged_at DESC, source_sha256 LIMIT :most
        """),
        {"most": most},
    )
    return [LookPhotoSource(SourcePhoto(row.merchant_id, row.source_sha256), Look.from_json(row.look)) for row in rows]
