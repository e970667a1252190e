"""Add sessions of browsers, and sign-in codes that are good for one.

Both stand for a key, and end with it.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    for table in ("browser_sessions", "sign_in_codes"):
        op.create_table(
            table,
            sa.Column("sha256", sa.Text, nullable=False),
            sa.Column("key_id", sa.BigInteger,
                      sa.ForeignKey("api_keys.id", name=f"fk_{table}_key_id", ondelete="CASCADE"), nullable=False),
            sa.Column("created_at", sa.DateTime(timezone=True), nullable=False,
                      server_default=sa.text("clock_timestamp()")),
            sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("sha256", name=f"pk_{table}"),
        )  # fmt: skip
        op.create_index(f"ix_{table}_key_id", table, ["key_id"])
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at"])


def downgrade() -> None:
    op.drop_table("sign_in_codes")
    op.drop_table("browser_sessions")
