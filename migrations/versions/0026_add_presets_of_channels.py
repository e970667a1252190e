"""Add merchants' own presets, the rules that a batch began with, and what renditions were found to keep of them.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"


def upgrade() -> None:
    op.create_table(
        "presets",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name="fk_presets_merchant_id"),
                  nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("rules", postgresql.JSONB, nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False,
                  server_default=sa.text("clock_timestamp()")),
        sa.PrimaryKeyConstraint("id", name="pk_presets"),
        sa.UniqueConstraint("merchant_id", "name", "sha256", name="uq_presets_version"),
    )  # fmt: skip
    op.execute("ALTER TABLE presets ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON presets TO {ROLE} USING (merchant_id = {OWN})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON presets TO {ROLE}")
    empty = sa.text("'{}'")
    op.add_column("batches", sa.Column("preset_rules", postgresql.JSONB, nullable=False, server_default=empty))
    op.add_column("batches", sa.Column("unpublished", sa.Integer, nullable=False, server_default=sa.text("0")))
    op.add_column("renditions", sa.Column("report", postgresql.JSONB))


def downgrade() -> None:
    op.drop_column("renditions", "report")
    op.drop_column("batches", "unpublished")
    op.drop_column("batches", "preset_rules")
    op.drop_table("presets")
