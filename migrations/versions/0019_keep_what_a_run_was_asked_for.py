"""Keep what a training run was asked for by its name, and let no earlier trainer take one that is compared.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("training_runs", sa.Column("asked_sha256", sa.Text))
    op.execute(
        "UPDATE training_runs SET next_attempt_at = 'infinity' WHERE state = 'comparing' AND finished_at IS NULL"
    )


def downgrade() -> None:
    op.execute("UPDATE training_runs SET next_attempt_at = clock_timestamp() WHERE next_attempt_at = 'infinity'")
    op.drop_column("training_runs", "asked_sha256")
