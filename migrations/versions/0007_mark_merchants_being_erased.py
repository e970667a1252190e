"""Mark merchants who are being erased, so that nothing new of theirs comes in meanwhile.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("merchants", sa.Column("erasing_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("merchants", "erasing_at")
