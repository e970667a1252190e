"""Say on a batch when somebody resumed or retried it: the watch of canaries read that from the audit log.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

# The watch asks for the batches of a day.
OF_A_BATCH = """
UPDATE batches b SET resumed_at = a.at
FROM (
    SELECT details ->> 'batch' AS batch, max(at) AS at FROM audit
    WHERE at > clock_timestamp() - interval '1 day' AND what IN ('resume', 'retry', 'dead letters: replay')
    GROUP BY 1
) a
WHERE b.id = CAST(a.batch AS uuid) AND b.state = 'running'
"""
OF_NIGHTS = """
UPDATE batches b SET resumed_at = a.at
FROM (
    SELECT merchant_id, max(at) AS at FROM audit
    WHERE at > clock_timestamp() - interval '1 day' AND what = 'schedules resume'
    GROUP BY 1
) a
WHERE b.queue = 'nightly' AND b.state = 'running' AND b.created_at <= a.at
  AND (a.merchant_id IS NULL OR a.merchant_id = b.merchant_id)
"""


def upgrade() -> None:
    op.add_column("batches", sa.Column("resumed_at", sa.DateTime(timezone=True)))
    op.execute(OF_A_BATCH)
    op.execute(OF_NIGHTS)


def downgrade() -> None:
    op.drop_column("batches", "resumed_at")
