"""Count what a merchant has had of the fleet in seconds: when a chunk was claimed, and each merchant's usual pace.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("chunks", sa.Column("claimed_at", sa.DateTime(timezone=True)))
    op.add_column("fair_shares", sa.Column("pace", sa.Double(), server_default=sa.text("1"), nullable=False))


def downgrade() -> None:
    op.drop_column("fair_shares", "pace")
    op.drop_column("chunks", "claimed_at")
