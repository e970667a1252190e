"""Mark styles that are of one colour by intention: looks of them do not keep the product's colour by default.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

# Those that came with the built-in checkpoint before it said so itself.
BUILT_IN = (
    "UPDATE styles SET is_monochrome = true WHERE merchant_id IS NULL AND name IN ('ink-wash', 'red-chalk-drawing')"
)


def upgrade() -> None:
    op.add_column("styles", sa.Column("is_monochrome", sa.Boolean, nullable=False, server_default=sa.text("false")))
    op.execute(BUILT_IN)


def downgrade() -> None:
    op.drop_column("styles", "is_monochrome")
