"""Pictures in the store for the rows of a finished batch: small photos, and renditions of them."""

from __future__ import annotations

import hashlib
import io

from PIL import Image, ImageDraw
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.queue.batches import Batch
from shared.source_copies import source_key


def drawn(number: int, *, styled: bool, side_px: int = 96) -> bytes:
    """Return a JPEG of a mug on a table, in a colour of its own; the styled one has stripes."""
    hue = number * 47 % 360
    picture = Image.new("RGB", (side_px, side_px * 3 // 4), f"hsl({hue}, {40 if styled else 12}%, 88%)")
    draw = ImageDraw.Draw(picture)
    width, height = picture.size
    if styled:
        for x in range(-height, width, max(4, side_px // 16)):
            draw.line([(x, height), (x + height, 0)], f"hsl({(hue + 180) % 360}, 45%, 74%)", side_px // 40 + 1)
    draw.rectangle([width // 3, height // 4, width * 2 // 3, height * 4 // 5], f"hsl({hue}, 60%, 45%)")
    draw.text((width // 3 + 4, height // 4 + 4), str(number), "white")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def store_pictures(session: Session, batch: Batch, *, side_px: int = 96) -> dict[int, bytes]:
    """Put a photo and a rendition for each finished job of a batch; return the renditions by ordinal."""
    made: dict[int, bytes] = {}
    with transaction(session.engine) as connection:
        rows = connection.execute(
            text("""
            SELECT l.ordinal, r.id FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
            WHERE l.batch_id = :batch ORDER BY 1
            """),
            {"batch": batch.id},
        ).all()
        for ordinal, rendition in rows:
            photo, made[ordinal] = (drawn(ordinal, styled=styled, side_px=side_px) for styled in (False, True))
            source, sha256 = (hashlib.sha256(data).hexdigest() for data in (photo, made[ordinal]))
            key = f"renditions/{batch.merchant_id}/{sha256[:2]}/{sha256}.jpg"
            session.store.put(source_key(batch.merchant_id, source), photo)
            session.store.put(key, made[ordinal])
            connection.execute(
                text("""
                UPDATE renditions SET object_key = :key, sha256 = :sha256, source_sha256 = :source, bytes = :bytes,
                    width = :width, height = :height WHERE id = :id
                """),
                {
                    "key": key,
                    "sha256": sha256,
                    "source": source,
                    "bytes": len(made[ordinal]),
                    "width": side_px,
                    "height": side_px * 3 // 4,
                    "id": rendition,
                },
            )
    return made
