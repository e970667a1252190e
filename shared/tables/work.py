"""Tables of batches, chunks, jobs, renditions, workers, proofs and reviews."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
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

from shared.tables.schema import QUEUES, count, metadata, moment, one_of

batches = Table(
    "batches",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("uuidv7()")),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("look", JSONB, nullable=False),
    Column("presets", ARRAY(Text), nullable=False),
    # The rules of those that are no plain formats, as they were when the batch began: see Preset.
    Column("preset_rules", JSONB, nullable=False, server_default=text("'{}'")),
    Column("model_version_id", ForeignKey("model_versions.id"), nullable=False),
    # Style vectors at the start of the batch, by name: a style relearnt later does not change it.
    Column("style_rows", JSONB, nullable=False),
    Column("intake", Text, nullable=False, server_default=text("'receiving'")),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    # What dispatch and claim obey: by its merchant, by a pause of all nights, or until a sample is approved.
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    Column("merchant_paused", Boolean, nullable=False, server_default=text("false")),
    # Identifies the input, so that an interrupted submission resumes at its last row.
    Column("fingerprint", Text, nullable=False),
    # Chosen by the client: a submission repeated with the same key, however late, is the same batch.
    Column("idempotency_key", Text),
    Column("input_columns", ARRAY(Text), nullable=False),
    # The merchant's gate when the batch began.
    Column("gate", JSONB),
    # Images counted before the first row was accepted, where the merchant has a hard limit.
    Column("planned", Integer),
    count("rows_read"),
    count("total"),
    count("succeeded"),
    count("failed"),
    count("cancelled"),
    count("reused"),
    # Renditions that break a rule of their preset, of succeeded jobs.
    count("unpublished"),
    moment("created_at", default=True, nullable=False),
    moment("finished_at"),
    # When somebody last resumed it, or tried its failed images again.
    moment("resumed_at"),
    # When its submitter last gave a sign of life, until it is sealed.
    moment("received_at", default=True),
    # What its merchant must know, for example that its submission broke off.
    Column("notice", Text),
    one_of("queue", *QUEUES),
    one_of("intake", "receiving", "sealed"),
    one_of("state", "running", "finished", "cancelled"),
    CheckConstraint("succeeded + failed + cancelled <= total AND reused <= succeeded", name="counters"),
    UniqueConstraint("id", "merchant_id", name="uq_batches_merchant"),
    UniqueConstraint("merchant_id", "idempotency_key", name="uq_batches_idempotency_key"),
    Index("ix_batches_running", "queue", "merchant_id", "id", postgresql_where=text("state = 'running'")),
    Index("ix_batches_merchant_id", "merchant_id", text("id DESC")),
    Index("ix_batches_failed", "id", postgresql_where=text("failed > 0")),
    Index("ix_batches_fingerprint", "merchant_id", "fingerprint", postgresql_where=text("state = 'running'")),
    Index("ix_batches_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    Index(
        "ix_batches_receiving",
        "received_at",
        postgresql_where=text("intake = 'receiving' AND state = 'running'"),
    ),
    Index("ix_batches_cancelling", "id", postgresql_where=text("state = 'cancelled' AND finished_at IS NULL")),
)

# Each input of a merchant once, with the newest batch made of it: who claims the row opens the batch.
submissions = Table(
    "submissions",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("batch_id", ForeignKey("batches.id", ondelete="CASCADE")),
    Index("ix_submissions_batch_id", "batch_id"),
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
    moment("next_attempt_at", default=True, nullable=False),
    moment("dispatched_at"),
    Column("lease", Integer, nullable=False, server_default=text("0")),
    moment("lease_expires_at"),
    Column("worker_id", Uuid),
    # When the worker that has the chunk claimed it: its merchant is charged for the seconds.
    moment("claimed_at"),
    # Workers that died with this chunk; after the first it is redone one image at a time,
    # and each ordinal is recorded before its image is touched.
    Column("deaths", SmallInteger, nullable=False, server_default=text("0")),
    Column("ordinal_in_hand", Integer),
    one_of("queue", *QUEUES),
    one_of("state", "waiting", "dispatched", "done", "cancelled"),
    Index("ix_chunks_waiting", "batch_id", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_chunks_dispatched", "queue", "dispatched_at", postgresql_where=text("state = 'dispatched'")),
    Index("ix_chunks_leased", "lease_expires_at", postgresql_where=text("lease_expires_at IS NOT NULL")),
    Index("ix_chunks_died", "batch_id", postgresql_where=text("deaths > 0")),
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
    # The merchant's address, the address that the worker reads (store: or s3:), and the place of the result.
    Column("image", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("look", JSONB, nullable=False),
    Column("input", JSONB, nullable=False),
    # Size of the source if the producer saw it, else a typical size.
    Column("pixels", BigInteger, nullable=False, server_default=text("0")),
    Column("state", Text, nullable=False, server_default=text("'queued'")),
    Column("reused", Boolean, nullable=False, server_default=text("false")),
    Column("code", Text),
    Column("message", Text),
    Column("retryable", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("deaths", SmallInteger, nullable=False, server_default=text("0")),
    moment("next_attempt_at"),
    # One foreign key for both columns: each costs more than the rest of the insert, and this one also proves that
    # the merchant is the batch's.
    ForeignKeyConstraint(["batch_id", "merchant_id"], ["batches.id", "batches.merchant_id"], name="fk_jobs_batch"),
    one_of("state", "queued", "succeeded", "failed", "cancelled"),
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
    # How it keeps the rules of its preset, see RuleReport; NULL for a plain format.
    Column("report", JSONB),
    moment("created_at", default=True, nullable=False),
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

# Batch that stays paused until its sample is approved; ``undecided`` while the batch is received.
proofs = Table(
    "proofs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("sample_id", ForeignKey("batches.id", ondelete="SET NULL")),
    # Whether the upload requested it.
    Column("asked", Boolean, nullable=False, server_default=text("false")),
    Column("why", Text, nullable=False, server_default=text("''")),
    # Cost of the whole batch, see Estimate.
    Column("price", JSONB),
    Column("state", Text, nullable=False, server_default=text("'undecided'")),
    moment("until"),
    Column("judged_by", Text),
    moment("made_at", default=True, nullable=False),
    one_of("state", "undecided", "waiting", "approved", "rejected"),
    UniqueConstraint("batch_id", name="uq_proofs_batch_id"),
    ForeignKeyConstraint(
        ["batch_id", "merchant_id"], ["batches.id", "batches.merchant_id"], name="fk_proofs_batch", ondelete="CASCADE"
    ),
    Index("ix_proofs_waiting", "merchant_id", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_proofs_sample_id", "sample_id"),
)

# Looks that a batch of the merchant ran in; all others are new.
known_looks = Table(
    "known_looks",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("look", JSONB, primary_key=True),
)

# Images whose renditions a gate keeps out of the catalogue.
reviews = Table(
    "reviews",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("reason", Text),
    Column("who", Text),
    moment("made_at", default=True, nullable=False),
    moment("judged_at"),
    ForeignKeyConstraint(
        ["batch_id", "ordinal"], ["jobs.batch_id", "jobs.ordinal"], name="fk_reviews_job", ondelete="CASCADE"
    ),
    one_of("state", "waiting", "approved", "rejected"),
    Index("ix_reviews_merchant_id", "merchant_id", "state", "batch_id", "ordinal"),
)

# What each merchant has had of a queue, in seconds of a slot: who has had least is served next. ``pace`` is how many
# seconds the merchant's chunks usually take for a megapixel.
fair_shares = Table(
    "fair_shares",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("queue", Text, primary_key=True),
    Column("virtual_time", Double, nullable=False, server_default=text("0")),
    Column("pace", Double, nullable=False, server_default=text("1")),
    one_of("queue", *QUEUES),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("device", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    moment("started_at", default=True, nullable=False),
    moment("heartbeat_at", default=True, nullable=False),
)
