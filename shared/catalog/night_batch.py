"""Create the batch of a night: its jobs and chunks are made in the database, from a temporary table of images."""

from __future__ import annotations

import json

from sqlalchemy import Connection, text

from shared.catalog.nights import Night
from shared.catalog.stale import Painting
from shared.look import Look
from shared.queue import batches
from shared.queue.batches import Batch, NewBatch
from shared.queue.chunks import add_chunks, cut_chunks
from shared.queue.queues import QueueName
from shared.settings import Settings


def add_night_batch(connection: Connection, night: Night, painting: Painting, settings: Settings) -> Batch:
    """Create a sealed batch of ``planned`` behind all other work, pinned to the planned model version."""
    look = connection.execute(
        text("SELECT l.look FROM planned p JOIN catalog_looks l ON l.id = p.look_id ORDER BY p.ordinal LIMIT 1")
    ).scalar_one()
    new = NewBatch(
        id=painting.batch_id,
        merchant_id=night.merchant_id,
        name=f"night of {night.slot:%Y-%m-%d %H:%M} UTC",
        queue=QueueName.NIGHTLY,
        look=Look.from_json(look),
        presets=tuple(painting.presets),
        model_version_id=painting.version.id,
        style_rows=painting.style_rows,
        fingerprint=json.dumps(["night", night.id]),
        input_columns=("sku", "image"),
    )
    batch = batches.create_batch(connection, new)
    jobs = _add_jobs(connection, batch)
    pixels = connection.execute(text("SELECT pixels FROM planned ORDER BY ordinal")).scalars()
    add_chunks(connection, batch, cut_chunks(0, pixels, settings.chunk_megapixels, settings.working_px))
    batches.extend(connection, batch, rows=jobs, jobs=jobs, failed=0)
    return batches.seal(connection, batch.id)


def _add_jobs(connection: Connection, batch: Batch) -> int:
    """Add a job for each image. Of equal output names, the later ones get their ordinal added."""
    return connection.execute(
        text("""
        INSERT INTO jobs (batch_id, ordinal, merchant_id, line, sku, image, source, output, look, input, pixels)
        SELECT :batch, p.ordinal, :merchant, p.ordinal + 1, i.sku, i.image, i.source,
               CASE row_number() OVER (PARTITION BY lower(i.output) ORDER BY p.ordinal)
                    WHEN 1 THEN i.output ELSE i.output || '-' || p.ordinal END,
               l.look, jsonb_build_object('sku', i.sku, 'image', i.image, 'category', i.category), i.pixels
        FROM planned p JOIN catalog_images i ON i.id = p.image_id JOIN catalog_looks l ON l.id = p.look_id
        """),
        {"batch": batch.id, "merchant": batch.merchant_id},
    ).rowcount
