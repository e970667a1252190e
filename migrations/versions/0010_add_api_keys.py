"""Add API keys: of each only its hash, which not even its merchant's own role may read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"
NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("merchant_id", "name", name="uq_api_keys_name"),
    )
    op.execute("ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON api_keys TO {ROLE} USING (merchant_id = {OWN})")
    op.execute(
        f"GRANT SELECT (id, merchant_id, name, prefix, created_at, expires_at, revoked_at) ON api_keys TO {ROLE}"
    )


def downgrade() -> None:
    op.drop_table("api_keys")
