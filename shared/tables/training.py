"""Tables of training runs and their schedules."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables.schema import count, metadata, moment, one_of

# Schedules of runs, one for each trigger.
training_schedules = Table(
    "training_schedules",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("trigger", Text, nullable=False, unique=True),
    Column("crontab", Text, nullable=False),
    Column("zone", Text, nullable=False),
    # See RunSpec.
    Column("wanted", JSONB, nullable=False),
    # Slots up to here have been handled.
    moment("since", default=True, nullable=False),
    one_of("trigger", "schedule", "drift"),
)

training_runs = Table(
    "training_runs",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("uuidv7()")),
    # Merchant whose own styles it learns, on own images; NULL: the public styles.
    Column("merchant_id", ForeignKey("merchants.id")),
    Column("trigger", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("schedule_id", ForeignKey("training_schedules.id", ondelete="SET NULL")),
    moment("slot"),
    # Chosen by the client: a repeated request with the same key is the same run.
    Column("idempotency_key", Text, unique=True),
    # Hash of the whole request with that key.
    Column("asked_sha256", Text),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("depth", Text, nullable=False),
    Column("style_ids", ARRAY(BigInteger), nullable=False),
    # Version that training starts from.
    Column("start_id", ForeignKey("model_versions.id"), nullable=False),
    # The request until the photos are collected, then the complete TrainConfig.
    Column("config", JSONB, nullable=False),
    Column("data_sha256", Text),
    # Figures of the photos and of the champion's recent renditions, to detect drift.
    Column("population", JSONB),
    Column("quality", JSONB),
    count("step"),
    Column("steps", Integer, nullable=False),
    # Validation curve, oldest point first.
    Column("curve", JSONB, nullable=False, server_default=text("'[]'")),
    # The last two saved states (key, sha256, step), newest last.
    Column("saved", JSONB, nullable=False, server_default=text("'[]'")),
    Column("candidate_id", ForeignKey("model_versions.id")),
    # The rule that may promote the candidate, through a canary or at once, and the verdict.
    Column("rule", Text, nullable=False, server_default=text("'never'")),
    Column("canary_share", Double),
    Column("verdict_id", ForeignKey("verdicts.id")),
    Column("lease", Integer, nullable=False, server_default=text("0")),
    moment("lease_expires_at"),
    # Infinite from the comparison on, so that no trainer of a release without comparisons claims it.
    moment("next_attempt_at", default=True, nullable=False),
    # Claims since the last saved state, that is, trainers that died with it.
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("code", Text),
    Column("message", Text),
    moment("created_at", default=True, nullable=False),
    moment("started_at"),
    moment("finished_at"),
    one_of("trigger", "schedule", "admin", "new_style", "drift"),
    one_of("state", "queued", "collecting", "training", "comparing", "finished", "failed", "cancelled"),
    one_of("depth", "style", "decoder", "all"),
    UniqueConstraint("schedule_id", "slot", name="uq_training_runs_slot"),
    Index("ix_training_runs_active", "id", postgresql_where=text("finished_at IS NULL")),
    Index("ix_training_runs_merchant_id", "merchant_id"),
)

# Photos that a run learns from. They are erased with their merchant; a run that lacks one fails.
training_photos = Table(
    "training_photos",
    metadata,
    Column("run_id", ForeignKey("training_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Index("ix_training_photos_merchant_id", "merchant_id"),
)
