"""Add pictures that merchants upload as backgrounds of looks.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"


def upgrade() -> None:
    op.create_table(
        "backgrounds",
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name="fk_backgrounds_merchant_id"),
                  nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.PrimaryKeyConstraint("merchant_id", "name", name="pk_backgrounds"),
    )  # fmt: skip
    op.execute("ALTER TABLE backgrounds ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON backgrounds TO {ROLE} USING (merchant_id = {OWN})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON backgrounds TO {ROLE}")


def downgrade() -> None:
    op.drop_table("backgrounds")
