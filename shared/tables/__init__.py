"""Database tables, by subject. Migrations create them; a test proves that both agree."""

from shared.tables.catalog import catalog_images, catalog_looks, night_images, nights, pauses, publications, schedules
from shared.tables.merchants import api_keys, audit, backgrounds, merchants, presets, source_copies
from shared.tables.models import canaries, model_versions, promotions, style_rows, styles, verdicts
from shared.tables.schema import QUEUES, metadata
from shared.tables.training import training_photos, training_runs, training_schedules
from shared.tables.uploads import uploads
from shared.tables.usage import usage, usage_seconds
from shared.tables.webhooks import webhook_deliveries, webhook_secrets, webhooks
from shared.tables.work import (
    batches,
    chunks,
    fair_shares,
    job_renditions,
    jobs,
    known_looks,
    proofs,
    renditions,
    reviews,
    submissions,
    workers,
)

__all__ = [
    "QUEUES",
    "api_keys",
    "audit",
    "backgrounds",
    "batches",
    "canaries",
    "catalog_images",
    "catalog_looks",
    "chunks",
    "fair_shares",
    "job_renditions",
    "jobs",
    "known_looks",
    "merchants",
    "metadata",
    "model_versions",
    "night_images",
    "nights",
    "pauses",
    "presets",
    "promotions",
    "proofs",
    "publications",
    "renditions",
    "reviews",
    "schedules",
    "source_copies",
    "style_rows",
    "styles",
    "submissions",
    "training_photos",
    "training_runs",
    "training_schedules",
    "uploads",
    "usage",
    "usage_seconds",
    "verdicts",
    "webhook_deliveries",
    "webhook_secrets",
    "webhooks",
    "workers",
]
