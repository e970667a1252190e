"""Add training runs, their photos and schedules, the consent to train, and the pictures of styles.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"

NOW = sa.text("clock_timestamp()")


def _moment(name: str, *, default: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not default, server_default=NOW if default else None)


def upgrade() -> None:
    op.add_column(
        "merchants",
        sa.Column("consents_to_training", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "styles", sa.Column("pictures", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.create_table(
        "training_schedules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("crontab", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("wanted", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        _moment("since", default=True),
        sa.CheckConstraint("trigger IN ('schedule', 'drift')", name=op.f("ck_training_schedules_trigger")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_schedules")),
        sa.UniqueConstraint("trigger", name=op.f("uq_training_schedules_trigger")),
    )
    op.create_table(
        "training_runs",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("schedule_id", sa.BigInteger(), nullable=True),
        _moment("slot"),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("depth", sa.Text(), nullable=False),
        sa.Column("style_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("start_id", sa.BigInteger(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("data_sha256", sa.Text(), nullable=True),
        sa.Column("population", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("step", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("curve", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("saved", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("candidate_id", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _moment("lease_expires_at"),
        _moment("next_attempt_at", default=True),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        _moment("created_at", default=True),
        _moment("started_at"),
        _moment("finished_at"),
        sa.CheckConstraint("depth IN ('style', 'decoder', 'all')", name=op.f("ck_training_runs_depth")),
        sa.CheckConstraint(
            "state IN ('queued', 'collecting', 'training', 'finished', 'failed', 'cancelled')",
            name=op.f("ck_training_runs_state"),
        ),
        sa.CheckConstraint(
            "trigger IN ('schedule', 'admin', 'new_style', 'drift')", name=op.f("ck_training_runs_trigger")
        ),
        sa.ForeignKeyConstraint(["candidate_id"], ["model_versions.id"], name=op.f("fk_training_runs_candidate_id")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_training_runs_merchant_id")),
        sa.ForeignKeyConstraint(
            ["schedule_id"],
            ["training_schedules.id"],
            name=op.f("fk_training_runs_schedule_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["start_id"], ["model_versions.id"], name=op.f("fk_training_runs_start_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_runs")),
        sa.UniqueConstraint("schedule_id", "slot", name="uq_training_runs_slot"),
    )
    op.create_index("ix_training_runs_active", "training_runs", ["id"], postgresql_where=sa.text("finished_at IS NULL"))
    op.create_index("ix_training_runs_merchant_id", "training_runs", ["merchant_id"])
    op.create_table(
        "training_photos",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_training_photos_merchant_id")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["training_runs.id"], name=op.f("fk_training_photos_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "sha256", name=op.f("pk_training_photos")),
    )
    op.create_index("ix_training_photos_merchant_id", "training_photos", ["merchant_id"])
    # Whom everybody's model learnt from is nobody else's business; of which own photos, anybody may see.
    for table in ("training_runs", "training_photos"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own ON {table} TO atelier_merchant USING (merchant_id = {OWN})")
        op.execute(f"GRANT SELECT ON {table} TO atelier_merchant")


def downgrade() -> None:
    op.drop_table("training_photos")
    op.drop_table("training_runs")
    op.drop_table("training_schedules")
    op.drop_column("styles", "pictures")
    op.drop_column("merchants", "consents_to_training")
