"""Index batches with failures: dead letters are looked for over all of them."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_batches_failed ON batches (id) WHERE failed > 0")


def downgrade() -> None:
    op.execute("DROP INDEX ix_batches_failed")
