"""End training runs with a verdict, and with a promotion where their rule allows it; see canaries that get nowhere.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

BEFORE = "state IN ('queued', 'collecting', 'training', 'finished', 'failed', 'cancelled')"
STATES = "state IN ('queued', 'collecting', 'training', 'comparing', 'finished', 'failed', 'cancelled')"


def upgrade() -> None:
    op.add_column("training_runs", sa.Column("rule", sa.Text, server_default=sa.text("'never'"), nullable=False))
    op.add_column("training_runs", sa.Column("canary_share", sa.Double))
    op.add_column("training_runs", sa.Column("quality", postgresql.JSONB))
    op.add_column(
        "training_runs",
        sa.Column("verdict_id", sa.BigInteger, sa.ForeignKey("verdicts.id", name="fk_training_runs_verdict_id")),
    )
    op.drop_constraint("ck_training_runs_state", "training_runs")
    op.create_check_constraint(op.f("ck_training_runs_state"), "training_runs", STATES)
    op.add_column(
        "verdicts",
        sa.Column("merchants", postgresql.ARRAY(sa.BigInteger), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("canaries", sa.Column("troubled", sa.Integer, server_default=sa.text("0"), nullable=False))
    op.create_index("ix_chunks_died", "chunks", ["batch_id"], postgresql_where=sa.text("deaths > 0"))


def downgrade() -> None:
    op.drop_index("ix_chunks_died", "chunks")
    op.drop_column("canaries", "troubled")
    op.drop_column("verdicts", "merchants")
    op.execute(
        "UPDATE training_runs SET state = 'finished', lease_expires_at = NULL, finished_at = clock_timestamp() "
        "WHERE state = 'comparing'"
    )
    op.drop_constraint("ck_training_runs_state", "training_runs")
    op.create_check_constraint(op.f("ck_training_runs_state"), "training_runs", BEFORE)
    for column in ("verdict_id", "quality", "canary_share", "rule"):
        op.drop_column("training_runs", column)
