"""Count what each merchant has had in each month, and limit it.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"

# A submission counts its invalid rows itself; seconds are counted by workers only.
PRIVILEGES = {"usage": "SELECT, INSERT, UPDATE", "usage_seconds": "SELECT"}


def upgrade() -> None:
    for table in PRIVILEGES:
        op.create_table(
            table,
            sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name=f"fk_{table}_merchant_id"),
                      nullable=False),
            sa.Column("month", sa.Date, nullable=False),
            sa.PrimaryKeyConstraint("merchant_id", "month", name=f"pk_{table}"),
        )  # fmt: skip
    for counter in ("styled", "reused", "failed", "bytes_stored"):
        op.add_column("usage", sa.Column(counter, sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("usage_seconds", sa.Column("seconds", sa.Double, nullable=False))
    for table, privileges in PRIVILEGES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own ON {table} TO {ROLE} USING (merchant_id = {OWN})")
        op.execute(f"GRANT {privileges} ON {table} TO {ROLE}")
    op.add_column("merchants", sa.Column("soft_limit", sa.Integer))
    op.add_column("merchants", sa.Column("hard_limit", sa.Integer))
    op.add_column("batches", sa.Column("planned", sa.Integer))


def downgrade() -> None:
    op.drop_column("batches", "planned")
    op.drop_column("merchants", "hard_limit")
    op.drop_column("merchants", "soft_limit")
    for table in PRIVILEGES:
        op.drop_table(table)
