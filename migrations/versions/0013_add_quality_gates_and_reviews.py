"""Add figures of renditions, merchants' gates, and reviews of what they hold back.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"


def upgrade() -> None:
    op.add_column("merchants", sa.Column("gate", postgresql.JSONB))
    op.add_column("batches", sa.Column("gate", postgresql.JSONB))
    op.add_column("renditions", sa.Column("quality", postgresql.JSONB))
    op.create_table(
        "reviews",
        sa.Column("batch_id", sa.Uuid, nullable=False),
        sa.Column("ordinal", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name="fk_reviews_merchant_id"),
                  nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'waiting'")),
        sa.Column("reason", sa.Text),
        sa.Column("who", sa.Text),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column("judged_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("batch_id", "ordinal", name="pk_reviews"),
        sa.ForeignKeyConstraint(["batch_id", "ordinal"], ["jobs.batch_id", "jobs.ordinal"], name="fk_reviews_job",
                                ondelete="CASCADE"),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'rejected')", name="ck_reviews_state"),
    )  # fmt: skip
    op.create_index("ix_reviews_merchant_id", "reviews", ["merchant_id", "state", "batch_id", "ordinal"])
    op.execute("ALTER TABLE reviews ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON reviews TO {ROLE} USING (merchant_id = {OWN})")
    op.execute(f"GRANT SELECT, UPDATE ON reviews TO {ROLE}")


def downgrade() -> None:
    op.drop_table("reviews")
    op.drop_column("renditions", "quality")
    op.drop_column("batches", "gate")
    op.drop_column("merchants", "gate")
