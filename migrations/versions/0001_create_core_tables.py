"""Create the core tables: merchants, styles, model versions, batches, chunks, jobs, renditions, workers.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "merchants",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchants")),
        sa.UniqueConstraint("name", name=op.f("uq_merchants_name")),
    )
    op.create_table(
        "model_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("trunk_sha256", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provenance", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("state IN ('candidate', 'champion', 'retired')", name=op.f("ck_model_versions_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("trunk_sha256", name=op.f("uq_model_versions_trunk_sha256")),
    )
    op.create_index(
        "uq_model_versions_champion",
        "model_versions",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'champion'"),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "heartbeat_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("look", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("presets", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=False),
        sa.Column("style_rows", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("intake", sa.Text(), server_default=sa.text("'receiving'"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("input_columns", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("rows_read", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("succeeded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reused", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("intake IN ('receiving', 'sealed')", name=op.f("ck_batches_intake")),
        sa.CheckConstraint("queue IN ('preview', 'bulk', 'nightly')", name=op.f("ck_batches_queue")),
        sa.CheckConstraint("state IN ('running', 'finished', 'cancelled')", name=op.f("ck_batches_state")),
        sa.CheckConstraint(
            "succeeded + failed + cancelled <= total AND reused <= succeeded", name=op.f("ck_batches_counters")
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_batches_merchant_id")),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_versions.id"], name=op.f("fk_batches_model_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index(
        "ix_batches_fingerprint",
        "batches",
        ["merchant_id", "fingerprint"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index("ix_batches_merchant_id", "batches", ["merchant_id", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "ix_batches_running",
        "batches",
        ["queue", "merchant_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "fair_shares",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("virtual_time", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("queue IN ('preview', 'bulk', 'nightly')", name=op.f("ck_fair_shares_queue")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_fair_shares_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "queue", name=op.f("pk_fair_shares")),
    )
    op.create_table(
        "renditions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_sha256", sa.Text(), nullable=False),
        sa.Column("look_sha256", sa.Text(), nullable=False),
        sa.Column("trunk_sha256", sa.Text(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=False),
        sa.Column("pipeline_version", sa.Integer(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_renditions_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_renditions")),
        sa.UniqueConstraint(
            "merchant_id",
            "source_sha256",
            "look_sha256",
            "trunk_sha256",
            "preset",
            "pipeline_version",
            name="uq_renditions_key",
        ),
    )
    op.create_index("ix_renditions_object_key", "renditions", ["object_key"], unique=False)
    op.create_table(
        "styles",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("artist", sa.Text(), nullable=False),
        sa.Column("year", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_styles_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_styles")),
        sa.UniqueConstraint("merchant_id", "name", name="uq_styles_name", postgresql_nulls_not_distinct=True),
    )
    op.create_table(
        "chunks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("first_ordinal", sa.Integer(), nullable=False),
        sa.Column("last_ordinal", sa.Integer(), nullable=False),
        sa.Column("pixels", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column(
            "next_attempt_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ordinal_in_hand", sa.Integer(), nullable=True),
        sa.CheckConstraint("queue IN ('preview', 'bulk', 'nightly')", name=op.f("ck_chunks_queue")),
        sa.CheckConstraint("state IN ('waiting', 'dispatched', 'done', 'cancelled')", name=op.f("ck_chunks_state")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_chunks_batch_id")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_chunks_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunks")),
    )
    op.create_index(
        "ix_chunks_dispatched",
        "chunks",
        ["queue", "dispatched_at"],
        unique=False,
        postgresql_where=sa.text("state = 'dispatched'"),
    )
    op.create_index(
        "ix_chunks_leased",
        "chunks",
        ["lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("lease_expires_at IS NOT NULL"),
    )
    op.create_index(
        "ix_chunks_waiting", "chunks", ["batch_id", "id"], unique=False, postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_index("uq_chunks_first_ordinal", "chunks", ["batch_id", "first_ordinal"], unique=True)
    op.create_table(
        "jobs",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("look", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("input", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("reused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("retryable", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_jobs_state")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_jobs_batch_id")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_jobs_merchant_id")),
        sa.PrimaryKeyConstraint("batch_id", "ordinal", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_failed", "jobs", ["batch_id", "ordinal"], unique=False, postgresql_where=sa.text("state = 'failed'")
    )
    op.create_table(
        "style_rows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("style_id", sa.BigInteger(), nullable=False),
        sa.Column("trunk_sha256", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["style_id"], ["styles.id"], name=op.f("fk_style_rows_style_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_style_rows")),
        sa.UniqueConstraint("style_id", "trunk_sha256", "sha256", name="uq_style_rows_sha256"),
    )
    op.create_table(
        "job_renditions",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("preset", sa.Text(), nullable=False),
        sa.Column("rendition_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id", "ordinal"], ["jobs.batch_id", "jobs.ordinal"], name="fk_job_renditions_job"
        ),
        sa.ForeignKeyConstraint(["rendition_id"], ["renditions.id"], name=op.f("fk_job_renditions_rendition_id")),
        sa.PrimaryKeyConstraint("batch_id", "ordinal", "preset", name=op.f("pk_job_renditions")),
    )
    op.create_index("ix_job_renditions_rendition_id", "job_renditions", ["rendition_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_job_renditions_rendition_id", table_name="job_renditions")
    op.drop_table("job_renditions")
    op.drop_table("style_rows")
    op.drop_index("ix_jobs_failed", table_name="jobs", postgresql_where=sa.text("state = 'failed'"))
    op.drop_table("jobs")
    op.drop_index("uq_chunks_first_ordinal", table_name="chunks")
    op.drop_index("ix_chunks_waiting", table_name="chunks", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index("ix_chunks_leased", table_name="chunks", postgresql_where=sa.text("lease_expires_at IS NOT NULL"))
    op.drop_index("ix_chunks_dispatched", table_name="chunks", postgresql_where=sa.text("state = 'dispatched'"))
    op.drop_table("chunks")
    op.drop_table("styles")
    op.drop_index("ix_renditions_object_key", table_name="renditions")
    op.drop_table("renditions")
    op.drop_table("fair_shares")
    op.drop_index("ix_batches_running", table_name="batches", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("ix_batches_merchant_id", table_name="batches")
    op.drop_index("ix_batches_fingerprint", table_name="batches", postgresql_where=sa.text("state = 'running'"))
    op.drop_table("batches")
    op.drop_table("workers")
    op.drop_index(
        "uq_model_versions_champion", table_name="model_versions", postgresql_where=sa.text("state = 'champion'")
    )
    op.drop_table("model_versions")
    op.drop_table("merchants")
