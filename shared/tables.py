"""The tables. Migrations create them; a test proves that both say the same."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

QUEUES = ("preview", "bulk", "nightly")
"""Classes of work, first come first. Training has a queue and a worker of its own."""


def _moment(name: str, *, default: bool = False, nullable: bool = True) -> Column[object]:
    server_default = text("clock_timestamp()") if default else None
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=server_default)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


merchants = Table(
    "merchants",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # Prefixes of s3:// URLs that may be read for the merchant with our own key.
    Column("allowed_sources", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _moment("created_at", default=True, nullable=False),
    # What his renditions must be like, see Gate.
    Column("gate", JSONB),
    # Since when everything of the merchant's is being removed, and nothing new accepted.
    _moment("erasing_at"),
    # Whether everybody's model may learn from the merchant's catalogue images.
    Column("consents_to_training", Boolean, nullable=False, server_default=text("false")),
)

# Keys of the HTTP API. The key itself is nowhere, only its hash.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("name", Text, nullable=False),
    # The first characters, so that a key in hand can be told from others.
    Column("prefix", Text, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    _moment("created_at", default=True, nullable=False),
    _moment("expires_at"),
    _moment("used_at"),
    _moment("revoked_at"),
    UniqueConstraint("merchant_id", "name", name="uq_api_keys_name"),
)

# What a URL of the web last gave; the object lies under the merchant's sources/.
source_copies = Table(
    "source_copies",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("url_sha256", Text, primary_key=True),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("sha256", Text, nullable=False),
    _moment("fetched_at", default=True, nullable=False),
)

# Virtual time of weighted fair queueing: who has had the least of a queue is served next.
fair_shares = Table(
    "fair_shares",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("queue", Text, primary_key=True),
    Column("virtual_time", Double, nullable=False, server_default=text("0")),
    _one_of("queue", *QUEUES),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("trunk_sha256", Text, nullable=False, unique=True),
    Column("object_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("provenance", JSONB, nullable=False),
    _moment("created_at", default=True, nullable=False),
    _one_of("state", "candidate", "champion", "retired"),
    Index("uq_model_versions_champion", "state", unique=True, postgresql_where=text("state = 'champion'")),
)

# What was measured of a candidate beside a champion; see shared/promotion/verdicts.py.
verdicts = Table(
    "verdicts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("candidate_id", ForeignKey("model_versions.id"), nullable=False),
    Column("champion_id", ForeignKey("model_versions.id"), nullable=False),
    Column("figures", JSONB, nullable=False),
    # The contact sheet.
    Column("sheet_key", Text),
    Column("made_by", Text, nullable=False),
    _moment("made_at", default=True, nullable=False),
)

# How versions came to their states: append-only, a trigger sees to that. ``previous_id`` was the champion until then.
promotions = Table(
    "promotions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("version_id", ForeignKey("model_versions.id"), nullable=False),
    Column("previous_id", ForeignKey("model_versions.id")),
    Column("verdict_id", ForeignKey("verdicts.id")),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _moment("at", default=True, nullable=False),
    _one_of("kind", "promote", "rollback", "retire", "canary", "return"),
    Index("ix_promotions_version_id", "version_id"),
)

# A version that a share of the new batches is pinned to, beside the champion it is compared with.
canaries = Table(
    "canaries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("version_id", ForeignKey("model_versions.id"), nullable=False),
    Column("champion_id", ForeignKey("model_versions.id"), nullable=False),
    Column("share", Double, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    # Batches of the canary's that the last comparison saw, and what it found.
    _count("seen"),
    Column("figures", JSONB),
    _moment("started_at", default=True, nullable=False),
    _moment("ended_at"),
    _one_of("state", "running", "promoted", "returned", "stopped"),
    CheckConstraint("share > 0 AND share < 1", name="share"),
    Index("uq_canaries_running", "state", unique=True, postgresql_where=text("state = 'running'")),
)

styles = Table(
    "styles",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # NULL: public, for every merchant.
    Column("merchant_id", ForeignKey("merchants.id")),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("artist", Text, nullable=False),
    Column("year", Text, nullable=False),
    Column("licence", Text, nullable=False),
    # Hashes of the pictures it is learnt from, as far as they are kept.
    Column("pictures", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _moment("created_at", default=True, nullable=False),
    UniqueConstraint("merchant_id", "name", name="uq_styles_name", postgresql_nulls_not_distinct=True),
)

# Rows are immutable; the newest of a style for a trunk is the current one.
style_rows = Table(
    "style_rows",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("style_id", ForeignKey("styles.id"), nullable=False),
    Column("trunk_sha256", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    _moment("created_at", default=True, nullable=False),
    UniqueConstraint("style_id", "trunk_sha256", "sha256", name="uq_style_rows_sha256"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("uuidv7()")),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("look", JSONB, nullable=False),
    Column("presets", ARRAY(Text), nullable=False),
    Column("model_version_id", ForeignKey("model_versions.id"), nullable=False),
    # The style rows the batch started with, by name: a style relearnt in between changes nothing here.
    Column("style_rows", JSONB, nullable=False),
    Column("intake", Text, nullable=False, server_default=text("'receiving'")),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    # Identifies the input, so that an interrupted submission resumes at its last row.
    Column("fingerprint", Text, nullable=False),
    # The client's own name for the submission: sent again, however late, it is the same batch.
    Column("idempotency_key", Text),
    Column("input_columns", ARRAY(Text), nullable=False),
    # The merchant's, when the batch began.
    Column("gate", JSONB),
    _count("rows_read"),
    _count("total"),
    _count("succeeded"),
    _count("failed"),
    _count("cancelled"),
    _count("reused"),
    _moment("created_at", default=True, nullable=False),
    _moment("finished_at"),
    _one_of("queue", *QUEUES),
    _one_of("intake", "receiving", "sealed"),
    _one_of("state", "running", "finished", "cancelled"),
    CheckConstraint("succeeded + failed + cancelled <= total AND reused <= succeeded", name="counters"),
    UniqueConstraint("id", "merchant_id", name="uq_batches_merchant"),
    UniqueConstraint("merchant_id", "idempotency_key", name="uq_batches_idempotency_key"),
    Index("ix_batches_running", "queue", "merchant_id", "id", postgresql_where=text("state = 'running'")),
    Index("ix_batches_merchant_id", "merchant_id", text("id DESC")),
    Index("ix_batches_failed", "id", postgresql_where=text("failed > 0")),
    Index("ix_batches_fingerprint", "merchant_id", "fingerprint", postgresql_where=text("state = 'running'")),
    Index("ix_batches_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    Index("ix_batches_cancelling", "id", postgresql_where=text("state = 'cancelled' AND finished_at IS NULL")),
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("batch_id", ForeignKey("batches.id"), nullable=False),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("queue", Text, nullable=False),
    Column("first_ordinal", Integer, nullable=False),
    Column("last_ordinal", Integer, nullable=False),
    Column("pixels", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    _moment("next_attempt_at", default=True, nullable=False),
    _moment("dispatched_at"),
    Column("lease", Integer, nullable=False, server_default=text("0")),
    _moment("lease_expires_at"),
    Column("worker_id", Uuid),
    # Workers that died with this chunk; after the first it is redone one image at a time,
    # the ordinal in hand recorded before it is touched.
    Column("deaths", SmallInteger, nullable=False, server_default=text("0")),
    Column("ordinal_in_hand", Integer),
    _one_of("queue", *QUEUES),
    _one_of("state", "waiting", "dispatched", "done", "cancelled"),
    Index("ix_chunks_waiting", "batch_id", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_chunks_dispatched", "queue", "dispatched_at", postgresql_where=text("state = 'dispatched'")),
    Index("ix_chunks_leased", "lease_expires_at", postgresql_where=text("lease_expires_at IS NOT NULL")),
    Index("uq_chunks_first_ordinal", "batch_id", "first_ordinal", unique=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("merchant_id", BigInteger, nullable=False),
    Column("line", Integer, nullable=False),
    Column("sku", Text, nullable=False),
    # What the merchant named, where the worker reads it (store: or s3:), and where the result goes.
    Column("image", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("look", JSONB, nullable=False),
    Column("input", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("reused", Boolean, nullable=False, server_default=text("false")),
    Column("code", Text),
    Column("message", Text),
    Column("retryable", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("deaths", SmallInteger, nullable=False, server_default=text("0")),
    _moment("next_attempt_at"),
    # One check for both: each costs more than the rest of the insert, and this one also says that the merchant
    # is the batch's.
    ForeignKeyConstraint(["batch_id", "merchant_id"], ["batches.id", "batches.merchant_id"], name="fk_jobs_batch"),
    _one_of("state", "queued", "succeeded", "failed", "cancelled"),
    Index("ix_jobs_failed", "batch_id", "ordinal", postgresql_where=text("state = 'failed'")),
)

renditions = Table(
    "renditions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("source_sha256", Text, nullable=False),
    Column("look_sha256", Text, nullable=False),
    Column("trunk_sha256", Text, nullable=False),
    Column("preset", Text, nullable=False),
    Column("pipeline_version", Integer, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    # Figures, see Quality.
    Column("quality", JSONB),
    _moment("created_at", default=True, nullable=False),
    UniqueConstraint(
        "merchant_id", "source_sha256", "look_sha256", "trunk_sha256", "preset", "pipeline_version",
        name="uq_renditions_key",
    ),
    Index("ix_renditions_object_key", "object_key"),
)  # fmt: skip

job_renditions = Table(
    "job_renditions",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("preset", Text, primary_key=True),
    Column("rendition_id", ForeignKey("renditions.id"), nullable=False),
    ForeignKeyConstraint(["batch_id", "ordinal"], ["jobs.batch_id", "jobs.ordinal"], name="fk_job_renditions_job"),
    Index("ix_job_renditions_rendition_id", "rendition_id"),
)

# Images whose renditions a gate holds back from the catalogue.
reviews = Table(
    "reviews",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("reason", Text),
    Column("who", Text),
    _moment("made_at", default=True, nullable=False),
    _moment("judged_at"),
    ForeignKeyConstraint(
        ["batch_id", "ordinal"], ["jobs.batch_id", "jobs.ordinal"], name="fk_reviews_job", ondelete="CASCADE"
    ),
    _one_of("state", "waiting", "approved", "rejected"),
    Index("ix_reviews_merchant_id", "merchant_id", "state", "batch_id", "ordinal"),
)

# Append-only; a trigger sees to that. No foreign key: an entry outlives its merchant.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _moment("at", default=True, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("merchant_id", BigInteger),
    Column("details", JSONB, nullable=False),
    Index("ix_audit_merchant_id", "merchant_id", "id"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("device", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    _moment("started_at", default=True, nullable=False),
    _moment("heartbeat_at", default=True, nullable=False),
)

catalog_looks = Table(
    "catalog_looks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    # The narrowest counts: sku before collection before category before default, whose value is empty.
    Column("scope", Text, nullable=False),
    Column("value", Text, nullable=False, server_default=text("''")),
    Column("look", JSONB, nullable=False),
    # Whether a new trunk, or a style learnt anew, makes the renditions stale.
    Column("follows_model", Boolean, nullable=False, server_default=text("false")),
    # A new look is proved before it floods the catalogue.
    Column("state", Text, nullable=False, server_default=text("'new'")),
    _moment("changed_at", default=True, nullable=False),
    _one_of("scope", "default", "category", "collection", "sku"),
    _one_of("state", "new", "approved", "rejected"),
    CheckConstraint("(scope = 'default') = (value = '')", name="value"),
    UniqueConstraint("merchant_id", "scope", "value", name="uq_catalog_looks_scope"),
)

# What a merchant has for (sku, position). ``content``, ``styled_look`` and ``styled_model`` are digests; the styled
# ones say of what the newest rendition was made, which is not always the one shown: a revert moves that pointer only.
catalog_images = Table(
    "catalog_images",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("sku", Text, nullable=False),
    Column("position", Integer, nullable=False),
    # As on a job: what the merchant named, where the worker reads it, and where the result goes.
    Column("image", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("category", Text, nullable=False, server_default=text("''")),
    Column("collection", Text, nullable=False, server_default=text("''")),
    Column("pixels", BigInteger, nullable=False),
    Column("content", Uuid, nullable=False),
    Column("styled_content", Uuid),
    Column("styled_look", Uuid),
    Column("styled_model", Uuid),
    # The content that was refused, why and when: it is not tried again every night.
    Column("refused_content", Uuid),
    Column("refused_code", Text),
    _moment("refused_at"),
    # What is shown. No foreign key, since publications name images in turn.
    Column("publication_id", BigInteger),
    _moment("changed_at", default=True, nullable=False),
    _moment("removed_at"),
    UniqueConstraint("merchant_id", "sku", "position", name="uq_catalog_images_sku"),
)

# What was shown for a catalogue image, newest last. A publication names one rendition; those in other formats have
# the same key. ``before_id`` is the one that a revert goes back to.
publications = Table(
    "publications",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("image_id", ForeignKey("catalog_images.id", ondelete="CASCADE"), nullable=False),
    Column("rendition_id", ForeignKey("renditions.id"), nullable=False),
    Column("before_id", ForeignKey("publications.id", ondelete="SET NULL")),
    Column("batch_id", ForeignKey("batches.id", ondelete="SET NULL")),
    Column("action", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    _moment("made_at", default=True, nullable=False),
    _one_of("action", "publish", "revert", "move"),
    Index("ix_publications_image_id", "image_id"),
    Index("ix_publications_rendition_id", "rendition_id"),
    Index("ix_publications_before_id", "before_id"),
    Index("ix_publications_batch_id", "batch_id"),
    Index("ix_publications_made_at", "made_at"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("kind", Text, nullable=False, server_default=text("'nightly'")),
    # The start of the window, in the zone's time; what has not begun by ``ends_at`` is left for the next night.
    Column("crontab", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("ends_at", Time),
    # See NightRules.
    Column("rules", JSONB, nullable=False),
    # Slots up to here are dealt with.
    _moment("since", default=True, nullable=False),
    _one_of("kind", "nightly"),
    UniqueConstraint("merchant_id", "kind", name="uq_schedules_kind"),
)

# Whose schedules rest; a row without merchant is everybody's.
pauses = Table(
    "pauses",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id")),
    Column("made_by", Text, nullable=False),
    _moment("made_at", default=True, nullable=False),
    UniqueConstraint("merchant_id", name="uq_pauses_merchant_id", postgresql_nulls_not_distinct=True),
)

nights = Table(
    "nights",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    # NULL: planned by hand.
    Column("schedule_id", ForeignKey("schedules.id", ondelete="SET NULL")),
    _moment("slot", nullable=False),
    _moment("ends_at"),
    Column("state", Text, nullable=False, server_default=text("'planning'")),
    Column("lease", Integer, nullable=False, server_default=text("0")),
    _moment("lease_expires_at"),
    Column("rules", JSONB, nullable=False),
    # The plan as it was made: counts by reason, what it takes and costs, warnings.
    Column("plan", JSONB),
    Column("batch_id", ForeignKey("batches.id", ondelete="SET NULL")),
    Column("proof", Text, nullable=False, server_default=text("'none'")),
    Column("proof_batch_id", ForeignKey("batches.id", ondelete="SET NULL")),
    _moment("proof_until"),
    Column("judged_by", Text),
    _moment("created_at", default=True, nullable=False),
    _moment("settled_at"),
    _one_of("state", "planning", "planned", "missed", "failed"),
    _one_of("proof", "none", "waiting", "approved", "rejected"),
    UniqueConstraint("schedule_id", "slot", name="uq_nights_slot"),
    Index("ix_nights_merchant_id", "merchant_id", text("id DESC")),
    Index("ix_nights_unsettled", "id", postgresql_where=text("settled_at IS NULL")),
    Index("uq_nights_batch_id", "batch_id", unique=True),
    Index("ix_nights_proof_batch_id", "proof_batch_id"),
)

# Which catalogue image a job of a night is for, why, and the digests it will have once it is styled.
night_images = Table(
    "night_images",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("merchant_id", BigInteger, nullable=False),
    Column("image_id", BigInteger, nullable=False),
    Column("look_id", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", Uuid, nullable=False),
    Column("look", Uuid, nullable=False),
    Column("model", Uuid, nullable=False),
    ForeignKeyConstraint(
        ["batch_id", "merchant_id"], ["batches.id", "batches.merchant_id"], name="fk_night_images_batch",
        ondelete="CASCADE",
    ),
    _one_of("reason", "missing", "source_changed", "look_changed", "model_changed"),
)  # fmt: skip

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
    _moment("since", default=True, nullable=False),
    _one_of("trigger", "schedule", "drift"),
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
    _moment("slot"),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("depth", Text, nullable=False),
    Column("style_ids", ARRAY(BigInteger), nullable=False),
    # The version it starts from.
    Column("start_id", ForeignKey("model_versions.id"), nullable=False),
    # Before the photos are collected what was asked for, and afterwards the whole TrainConfig.
    Column("config", JSONB, nullable=False),
    Column("data_sha256", Text),
    # The photos' figures, to tell drift from.
    Column("population", JSONB),
    _count("step"),
    Column("steps", Integer, nullable=False),
    # The validations, oldest first.
    Column("curve", JSONB, nullable=False, server_default=text("'[]'")),
    # The last two saved states (key, sha256, step), newest last.
    Column("saved", JSONB, nullable=False, server_default=text("'[]'")),
    Column("candidate_id", ForeignKey("model_versions.id")),
    Column("lease", Integer, nullable=False, server_default=text("0")),
    _moment("lease_expires_at"),
    _moment("next_attempt_at", default=True, nullable=False),
    # Claims since the last saved state: trainers that died with it.
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("code", Text),
    Column("message", Text),
    _moment("created_at", default=True, nullable=False),
    _moment("started_at"),
    _moment("finished_at"),
    _one_of("trigger", "schedule", "admin", "new_style", "drift"),
    _one_of("state", "queued", "collecting", "training", "finished", "failed", "cancelled"),
    _one_of("depth", "style", "decoder", "all"),
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
