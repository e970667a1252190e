"""Training runs."""

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

# When runs begin by themselves: one schedule for each trigger.
training_schedules = Table(
    "training_schedules",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("trigger", Text, nullable=False, unique=True),
    Column("crontab", Text, nullable=False),
    Column("zone", Text, nullable=False),
    # See Wanted.
    Column("wanted", JSONB, nullable=False),
    # Slots up to here are dealt with.
    moment("since", default=True, nullable=False),
    one_of("trigger", "schedule", "drift"),
)

training_runs = Table(
    "training_runs",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("uuidv7()")),
    # Whose own styles it learns, on their own images; NULL: everybody's.
    Column("merchant_id", ForeignKey("merchants.id")),
    Column("trigger", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("schedule_id", ForeignKey("training_schedules.id", ondelete="SET NULL")),
    moment("slot"),
    # What whoever asked for it calls it: asked again by that name, it is the same run.
    Column("idempotency_key", Text, unique=True),
    # Of all that was asked for by that name.
    Column("asked_sha256", Text),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("depth", Text, nullable=False),
    Column("style_ids", ARRAY(BigInteger), nullable=False),
    # The version it starts from.
    Column("start_id", ForeignKey("model_versions.id"), nullable=False),
    # Before the photos are collected what was asked for, and afterwards the whole TrainConfig.
    Column("config", JSONB, nullable=False),
    Column("data_sha256", Text),
    # The photos' figures, and those of what the champion painted lately, to tell drift from.
    Column("population", JSONB),
    Column("quality", JSONB),
    count("step"),
    Column("steps", Integer, nullable=False),
    # The validations, oldest first.
    Column("curve", JSONB, nullable=False, server_default=text("'[]'")),
    # The last two saved states (key, sha256, step), newest last.
    Column("saved", JSONB, nullable=False, server_default=text("'[]'")),
    Column("candidate_id", ForeignKey("model_versions.id")),
    # What became of the candidate: the rule that may promote it, by way of a canary or at once, and the verdict.
    Column("rule", Text, nullable=False, server_default=text("'never'")),
    Column("canary_share", Double),
    Column("verdict_id", ForeignKey("verdicts.id")),
    Column("lease", Integer, nullable=False, server_default=text("0")),
    moment("lease_expires_at"),
    # Infinity from the comparison on: no trainer of a release that knows none takes it then.
    moment("next_attempt_at", default=True, nullable=False),
    # Claims since the last saved state: trainers that died with it.
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

# Of which photos a run learns. A photo goes with its merchant; a run that lacks one fails.
training_photos = Table(
    "training_photos",
    metadata,
    Column("run_id", ForeignKey("training_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Index("ix_training_photos_merchant_id", "merchant_id"),
)
