"""Claim each submission once, note when a batch last took rows in and why it ended early, and who paused it.

``paused`` stays what workers obey, so that those of an earlier release do, too.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"


def upgrade() -> None:
    # The default apart from the column, so that the table is not rewritten.
    op.add_column("batches", sa.Column("received_at", sa.DateTime(timezone=True)))
    op.alter_column("batches", "received_at", server_default=sa.text("clock_timestamp()"))
    op.add_column("batches", sa.Column("notice", sa.Text))
    op.add_column("batches", sa.Column("merchant_paused", sa.Boolean, nullable=False, server_default=sa.text("false")))
    op.execute("""
        UPDATE batches b SET merchant_paused = true WHERE state = 'running' AND paused
          AND NOT EXISTS (SELECT FROM proofs p WHERE p.batch_id = b.id AND p.state IN ('undecided', 'waiting'))
          AND NOT (queue = 'nightly' AND EXISTS (
              SELECT FROM pauses p WHERE p.merchant_id IS NULL OR p.merchant_id = b.merchant_id))
    """)
    op.create_index(
        "ix_batches_receiving",
        "batches",
        ["received_at"],
        postgresql_where=sa.text("intake = 'receiving' AND state = 'running'"),
    )
    op.create_table(
        "submissions",
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name="fk_submissions_merchant_id")),
        sa.Column("fingerprint", sa.Text),
        sa.Column("batch_id", sa.Uuid, sa.ForeignKey("batches.id", name="fk_submissions_batch_id",
                                                      ondelete="CASCADE")),
        sa.PrimaryKeyConstraint("merchant_id", "fingerprint", name="pk_submissions"),
    )  # fmt: skip
    op.create_index("ix_submissions_batch_id", "submissions", ["batch_id"])
    op.execute("ALTER TABLE submissions ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON submissions TO {ROLE} USING (merchant_id = {OWN})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON submissions TO {ROLE}")


def downgrade() -> None:
    op.drop_table("submissions")
    op.drop_index("ix_batches_receiving", "batches")
    op.drop_column("batches", "merchant_paused")
    op.drop_column("batches", "notice")
    op.drop_column("batches", "received_at")
