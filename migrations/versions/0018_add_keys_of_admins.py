"""Let keys be an admin's, who is no merchant, and let a run that is asked for twice by one name be one run.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.alter_column("api_keys", "merchant_id", nullable=True)
    op.drop_constraint("uq_api_keys_name", "api_keys")
    # No merchant is an owner like any other: names are unique among admins' keys, too.
    op.create_unique_constraint(
        "uq_api_keys_name", "api_keys", ["merchant_id", "name"], postgresql_nulls_not_distinct=True
    )
    op.add_column("training_runs", sa.Column("idempotency_key", sa.Text))
    op.create_unique_constraint("uq_training_runs_idempotency_key", "training_runs", ["idempotency_key"])


def downgrade() -> None:
    op.drop_constraint("uq_training_runs_idempotency_key", "training_runs")
    op.drop_column("training_runs", "idempotency_key")
    op.execute("DELETE FROM api_keys WHERE merchant_id IS NULL")
    op.drop_constraint("uq_api_keys_name", "api_keys")
    op.create_unique_constraint("uq_api_keys_name", "api_keys", ["merchant_id", "name"])
    op.alter_column("api_keys", "merchant_id", nullable=False)
