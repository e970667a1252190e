"""Add what merchants may have read with our key, and copies of what their URLs gave.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "merchants",
        sa.Column("allowed_sources", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.execute("UPDATE merchants SET allowed_sources = '{s3://}' WHERE name = 'local'")
    op.create_table(
        "source_copies",
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("url_sha256", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column(
            "fetched_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_source_copies_merchant_id")),
        sa.PrimaryKeyConstraint("merchant_id", "url_sha256", name=op.f("pk_source_copies")),
    )


def downgrade() -> None:
    op.drop_table("source_copies")
    op.drop_column("merchants", "allowed_sources")
