"""Choose the sample of a proof: a few skus that are as varied as the batch."""

from __future__ import annotations

import json
from uuid import UUID

from sqlalchemy import Connection, text

from shared.queue import batches
from shared.queue.batches import Batch, NewBatch
from shared.queue.chunks import add_chunks, cut_chunks
from shared.queue.queues import QueueName
from shared.settings import Settings

PROOF_IMAGES = 24
"""Number of images in a sample, as many as in a preview. A smaller batch is its own sample."""


def add_sample(connection: Connection, batch: Batch, settings: Settings, category: str | None) -> UUID:
    """Create the batch of a sample, ahead of all other work, since somebody waits; return its id.

    ``category`` is the input's column of categories. Call it once per transaction.
    """
    _choose(connection, batch, category)
    new = NewBatch(
        merchant_id=batch.merchant_id,
        name=f"proof of {batch.name}",
        queue=QueueName.PREVIEW,
        look=batch.look,
        presets=batch.presets,
        preset_rules=batch.preset_rules,
        model_version_id=batch.model_version_id,
        style_rows=batch.style_rows,
        fingerprint=json.dumps(["proof", str(batch.id)]),
        input_columns=batch.input_columns,
    )
    sample = batches.create_batch(connection, new)
    jobs = connection.execute(
        text("""
        INSERT INTO jobs (batch_id, ordinal, merchant_id, line, sku, image, source, output, look, input, pixels)
        SELECT :sample, s.place, j.merchant_id, j.line, j.sku, j.image, j.source, j.output, j.look, j.input, j.pixels
        FROM sample s JOIN jobs j ON j.batch_id = :batch AND j.ordinal = s.ordinal
        """),
        {"sample": sample.id, "batch": batch.id},
    ).rowcount
    pixels = connection.execute(
        text("SELECT pixels FROM jobs WHERE batch_id = :sample ORDER BY ordinal"), {"sample": sample.id}
    ).scalars()
    add_chunks(connection, sample, cut_chunks(0, pixels, settings.chunk_megapixels, settings.working_px))
    batches.extend(connection, sample, rows=jobs, jobs=jobs, failed=0)
    batches.seal(connection, sample.id)
    return sample.id


def _choose(connection: Connection, batch: Batch, category: str | None) -> None:
    """Fill the temporary table ``sample`` with skus in turn from each look, category, size and lightness.

    Skus are ordered by hash, so that the same batch gives the same sample, and neighbours in a product range do not
    come together. A product's lightness was measured when it was last styled, in any look; unmeasured products are a
    group of their own. At most as many of each look, category and size are looked up as the sample has in all.
    """
    connection.execute(
        text("""
        CREATE TEMPORARY TABLE sample ON COMMIT DROP AS
        WITH skus AS (
            SELECT DISTINCT ON (sku) ordinal, look, md5(sku) AS hash, source,
                   coalesce(input ->> CAST(:category AS text), '') AS category,
                   width_bucket(pixels, CAST(ARRAY[500000, 1500000, 5000000] AS bigint[])) AS size
            FROM jobs WHERE batch_id = :batch AND state = 'queued'
            ORDER BY sku, line, md5(sku || look)
        ), few AS (
            SELECT * FROM (
                SELECT *, row_number() OVER (PARTITION BY look, category, size ORDER BY hash) AS place FROM skus
            ) numbered WHERE place <= :most
        ), lit AS (
            SELECT few.*, width_bucket((
                SELECT avg(CAST(r.quality ->> 'lightness' AS float8)) FROM renditions r
                WHERE r.merchant_id = :merchant AND r.source_sha256 = CASE
                    WHEN source LIKE 'store:%' THEN regexp_replace(source, '^.*/', '')
                    ELSE (SELECT c.sha256 FROM source_copies c WHERE c.merchant_id = :merchant
                            AND c.url_sha256 = encode(sha256(convert_to(source, 'UTF8')), 'hex')) END
            ), CAST(ARRAY[40, 65] AS float8[])) AS light
            FROM few
        ), rounds AS (
            SELECT *, row_number() OVER (PARTITION BY look, category, size, light ORDER BY hash) AS round FROM lit
        )
        SELECT row_number() OVER (ORDER BY round, hash) - 1 AS place, ordinal FROM rounds
        ORDER BY round, hash LIMIT :most
        """),
        {"batch": batch.id, "merchant": batch.merchant_id, "category": category, "most": PROOF_IMAGES},
    )
