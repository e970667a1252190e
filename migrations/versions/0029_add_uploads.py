"""Add files that merchants upload in parts.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name="fk_uploads_merchant_id"),
                  nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("part_bytes", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("draft", sa.Uuid),
        sa.Column("sha256", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("pixels", sa.BigInteger),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False,
                  server_default=sa.text("clock_timestamp()")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.UniqueConstraint("merchant_id", "draft", "name", name="uq_uploads_merchant_id"),
        sa.CheckConstraint("state IN ('receiving', 'complete')", name="ck_uploads_state"),
        sa.CheckConstraint("kind IN ('picture', 'archive', 'manifest')", name="ck_uploads_kind"),
    )  # fmt: skip
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"])
    op.execute("ALTER TABLE uploads ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON uploads TO {ROLE} USING (merchant_id = {OWN})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON uploads TO {ROLE}")


def downgrade() -> None:
    op.drop_table("uploads")
