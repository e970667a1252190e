"""Tables as they are after years: filled in the server, since no submission could in a test's time."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Connection, text

from shared.look import Look
from shared.merchants.merchants import merchant_id
from shared.models.styles import style_rows
from shared.models.versions import champion
from shared.queue import batches
from shared.queue.batches import Batch, NewBatch
from shared.queue.renditions import PIPELINE_VERSION
from shared.queue.submissions import claim_submission, name_submission

LOOK = Look((("starry-night", 1.0),))
CHUNK_JOBS = 64
FAILED_IN = 100
"""One job of so many in a finished batch has failed."""


def add_waiting(
    connection: Connection, merchant: str, jobs: int, *, queue: str = "bulk", chunk_jobs: int = CHUNK_JOBS
) -> Batch:
    """Add a sealed batch whose jobs all wait."""
    merchant_number = merchant_id(connection, merchant)
    version = champion(connection)
    new = NewBatch(
        merchant_id=merchant_number,
        name=f"{jobs} photos",
        queue=queue,
        look=LOOK,
        presets=("jpeg",),
        model_version_id=version.id,
        style_rows=style_rows(connection, merchant_number, version.trunk_sha256),
        fingerprint="filled",
        input_columns=("sku", "image"),
    )
    batch = batches.create_batch(connection, new)
    claim_submission(connection, merchant_number, f"filled as {batch.id}")
    name_submission(connection, batch, f"filled as {batch.id}")
    values = {"batch": batch.id, "merchant": merchant_number, "queue": queue, "jobs": jobs, "size": chunk_jobs}
    connection.execute(
        text("""
        INSERT INTO jobs (batch_id, ordinal, merchant_id, line, sku, image, source, output, look, input)
        SELECT b.id, n, b.merchant_id, n + 2, 'sku-' || n, image, image, 'photos/' || n, b.look,
               jsonb_build_object('sku', 'sku-' || n, 'image', image)
        FROM batches b, generate_series(0, :jobs - 1) n,
             LATERAL (SELECT 's3://photos/' || b.id || '/' || n || '.jpg' AS image) i
        WHERE b.id = :batch
        """),
        values,
    )
    connection.execute(
        text("""
        INSERT INTO chunks (batch_id, merchant_id, queue, first_ordinal, last_ordinal, pixels)
        SELECT :batch, :merchant, :queue, n, least(n + :size, :jobs) - 1, 1000000
        FROM generate_series(0, :jobs - 1, :size) n
        """),
        values,
    )
    batch = batches.extend(connection, batch, rows=jobs, jobs=jobs, failed=0)
    return replace(batches.seal(connection, batch.id), rows_read=batch.rows_read)


def add_finished(connection: Connection, merchant: str, jobs: int, *, chunk_jobs: int = CHUNK_JOBS) -> Batch:
    """Add a batch that is over: its renditions and, one in a hundred, its failures."""
    batch = add_waiting(connection, merchant, jobs, chunk_jobs=chunk_jobs)
    values = {"batch": batch.id, "failed_in": FAILED_IN, "version": PIPELINE_VERSION}
    failed = jobs // FAILED_IN
    for statement in (
        "UPDATE chunks SET state = 'done', lease = 1 WHERE batch_id = :batch",
        """
        UPDATE jobs SET state = CASE WHEN ordinal % :failed_in = :failed_in - 1 THEN 'failed' ELSE 'succeeded' END,
            code = CASE WHEN ordinal % :failed_in = :failed_in - 1 THEN 'unreadable_image' END
        WHERE batch_id = :batch
        """,
        # A rendition is as wide as its job's ordinal, so that the two need no join.
        """
        WITH made AS (
            INSERT INTO renditions (merchant_id, source_sha256, look_sha256, trunk_sha256, preset, pipeline_version,
                                    object_key, sha256, bytes, width, height)
            SELECT merchant_id, encode(sha256(image::bytea), 'hex'), encode(sha256(batch_id::text::bytea), 'hex'),
                   encode(sha256('trunk'), 'hex'), 'jpeg', :version,
                   'renditions/' || merchant_id || '/' || h || '.jpg', h, 200000, ordinal, 1000
            FROM jobs, LATERAL (SELECT encode(sha256((image || 'x')::bytea), 'hex') AS h) hashed
            WHERE batch_id = :batch AND state = 'succeeded'
            RETURNING id, width
        )
        INSERT INTO job_renditions (batch_id, ordinal, preset, rendition_id)
        SELECT CAST(:batch AS uuid), width, 'jpeg', id FROM made
        """,
    ):
        connection.execute(text(statement), values)
    batches.add_counts(connection, batch.id, batches.Counts(succeeded=jobs - failed, failed=failed))
    return batches.get_batch(connection, batch.id)


def add_proof(connection: Connection, batch: UUID) -> int:
    """Have a batch wait for approval of a sample."""
    return int(
        connection.execute(
            text("""
            INSERT INTO proofs (merchant_id, batch_id, state, why, price)
            SELECT merchant_id, id, 'waiting', 'it is large', '{"images": 3, "seconds": null, "gpu_minutes": null,
                "cost": null}' FROM batches WHERE id = :batch RETURNING id
            """),
            {"batch": batch},
        ).scalar_one()
    )


def add_catalog(connection: Connection, batch: Batch) -> None:
    """Give a merchant a catalogue of one image, which a night has styled as the first job of a finished batch."""
    values = {"merchant": batch.merchant_id, "batch": batch.id, "look": json.dumps(LOOK.to_json())}
    for statement in (
        "INSERT INTO catalog_looks (merchant_id, scope, look) VALUES (:merchant, 'default', CAST(:look AS jsonb))",
        "INSERT INTO pauses (merchant_id, made_by) VALUES (:merchant, 'me@here')",
        """
        INSERT INTO schedules (merchant_id, crontab, zone, rules) VALUES (:merchant, '0 1 * * *', 'UTC', '{}')
        """,
        """
        INSERT INTO nights (merchant_id, schedule_id, slot, state, rules, batch_id, settled_at)
        SELECT :merchant, id, now(), 'planned', '{}', :batch, now() FROM schedules WHERE merchant_id = :merchant
        """,
        """
        INSERT INTO catalog_images (merchant_id, sku, position, image, source, output, pixels, content)
        VALUES (:merchant, 'sku', 1, 'a.jpg', 's3://photos/a.jpg', 'a', 1, gen_random_uuid())
        """,
        """
        INSERT INTO night_images (batch_id, ordinal, merchant_id, image_id, look_id, reason, content, look, model)
        SELECT :batch, 0, i.merchant_id, i.id, l.id, 'missing', content, content, content
        FROM catalog_images i JOIN catalog_looks l USING (merchant_id) WHERE i.merchant_id = :merchant
        """,
        """
        INSERT INTO publications (merchant_id, image_id, rendition_id, batch_id, action, made_by)
        SELECT :merchant, i.id, (SELECT min(r.id) FROM renditions r WHERE r.merchant_id = :merchant), :batch,
               'publish', 'nightly' FROM catalog_images i WHERE i.merchant_id = :merchant
        """,
        """
        UPDATE catalog_images i SET publication_id = p.id FROM publications p
        WHERE p.image_id = i.id AND i.merchant_id = :merchant
        """,
        "INSERT INTO proofs (merchant_id, batch_id, state, why) VALUES (:merchant, :batch, 'approved', 'it is large')",
        "INSERT INTO known_looks SELECT merchant_id, look FROM batches WHERE id = :batch ON CONFLICT DO NOTHING",
        # A run for a style of his own.
        """
        INSERT INTO training_runs (merchant_id, trigger, reason, who, depth, style_ids, start_id, config, steps)
        SELECT :merchant, 'admin', 'why', 'me@here', 'style', '{}', id, '{}', 1 FROM model_versions LIMIT 1
        """,
        """
        INSERT INTO training_photos (run_id, sha256, merchant_id)
        SELECT id, 'sha', merchant_id FROM training_runs WHERE merchant_id = :merchant
        """,
    ):
        connection.execute(text(statement), values)


def add_large_night(connection: Connection, batch: Batch, images: int) -> None:
    """Give a merchant a catalogue of so many images, half of which are in the hands of a night with that batch."""
    values = {"merchant": batch.merchant_id, "batch": batch.id, "images": images, "look": json.dumps(LOOK.to_json())}
    for statement in (
        """
        INSERT INTO catalog_looks (merchant_id, scope, look, state)
        VALUES (:merchant, 'default', CAST(:look AS jsonb), 'approved')
        """,
        """
        INSERT INTO catalog_images (merchant_id, sku, position, image, source, output, pixels, content)
        SELECT :merchant, 'sku-' || n, 1, 'a.jpg', 's3://photos/' || n || '.jpg', 'a' || n, 1, gen_random_uuid()
        FROM generate_series(1, :images) n
        """,
        """
        INSERT INTO nights (merchant_id, slot, state, rules, batch_id)
        VALUES (:merchant, now(), 'planned', '{}', :batch)
        """,
        """
        INSERT INTO night_images (batch_id, ordinal, merchant_id, image_id, look_id, reason, content, look, model)
        SELECT :batch, row_number() OVER (ORDER BY i.id) - 1, :merchant, i.id, l.id, 'missing', content, content,
               content
        FROM catalog_images i JOIN catalog_looks l USING (merchant_id) WHERE merchant_id = :merchant
        ORDER BY i.id LIMIT :images / 2
        """,
    ):
        connection.execute(text(statement), values)


def add_usage(connection: Connection, merchant: int, month: str = "2026-10-01") -> None:
    """Give a merchant something in each table of usage."""
    values = {"merchant": merchant, "month": month}
    for statement in (
        "INSERT INTO usage VALUES (:merchant, CAST(:month AS date), 1234, 56, 7, 890000)",
        "INSERT INTO usage_seconds VALUES (:merchant, CAST(:month AS date), 4321.5)",
    ):
        connection.execute(text(statement), values)
