"""Create the batch of a night: jobs and chunks for the images that its plan takes."""

from __future__ import annotations

import json

from sqlalchemy import Connection

from shared.catalog.night_plan import NightPlan
from shared.catalog.nights import Night
from shared.queue import batches
from shared.queue.batches import Batch, NewBatch
from shared.queue.chunks import add_chunks, cut_chunks
from shared.queue.queues import QueueName
from shared.settings import Settings


def add_night_batch(connection: Connection, night: Night, plan: NightPlan, settings: Settings) -> Batch:
    """Create a sealed batch of what a plan takes, behind all other work, pinned to the planned model version."""
    new = NewBatch(
        id=plan.painting.batch_id,
        merchant_id=night.merchant_id,
        name=f"night of {night.slot:%Y-%m-%d %H:%M} UTC",
        queue=QueueName.NIGHTLY,
        look=plan.first_look(),
        presets=tuple(plan.painting.presets),
        preset_rules=plan.painting.preset_rules,
        model_version_id=plan.painting.version.id,
        style_rows=plan.painting.style_rows,
        fingerprint=json.dumps(["night", night.id]),
        input_columns=("sku", "image"),
    )
    batch = batches.create_batch(connection, new)
    jobs = plan.add_jobs(batch)
    add_chunks(connection, batch, cut_chunks(0, plan.pixels(), settings.chunk_megapixels, settings.working_px))
    batches.extend(connection, batch, rows=jobs, jobs=jobs, failed=0)
    plan.record_images(batch)
    return batches.seal(connection, batch.id)
