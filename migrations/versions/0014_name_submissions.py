"""Keep the name that a client gave a submission, so that it is the same batch however late it is sent again.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("batches", sa.Column("idempotency_key", sa.Text))
    op.create_unique_constraint("uq_batches_idempotency_key", "batches", ["merchant_id", "idempotency_key"])


def downgrade() -> None:
    op.drop_constraint("uq_batches_idempotency_key", "batches")
    op.drop_column("batches", "idempotency_key")
