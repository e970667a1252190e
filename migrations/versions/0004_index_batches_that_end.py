"""Index the batches that are over, for prune, and those being cancelled, for the sweep.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index(
        "ix_batches_finished_at",
        "batches",
        ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_batches_cancelling",
        "batches",
        ["id"],
        postgresql_where=sa.text("state = 'cancelled' AND finished_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_batches_cancelling", table_name="batches")
    op.drop_index("ix_batches_finished_at", table_name="batches")
