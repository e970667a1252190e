"""Give proofs a table of their own, for uploads as well as nights, and merchants rules for them.

The columns of ``nights`` stay, since a worker of before still writes them.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"

ROLE = "atelier_merchant"
OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"


def upgrade() -> None:
    op.add_column("merchants", sa.Column("proof_rules", postgresql.JSONB))
    op.add_column("jobs", sa.Column("pixels", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.create_table(
        "proofs",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name="fk_proofs_merchant_id"),
                  nullable=False),
        sa.Column("batch_id", sa.Uuid, nullable=False),
        sa.Column("sample_id", sa.Uuid, sa.ForeignKey("batches.id", name="fk_proofs_sample_id", ondelete="SET NULL")),
        sa.Column("asked", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("why", sa.Text, nullable=False, server_default=sa.text("''")),
        sa.Column("price", postgresql.JSONB),
        sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'undecided'")),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("judged_by", sa.Text),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.UniqueConstraint("batch_id", name="uq_proofs_batch_id"),
        sa.ForeignKeyConstraint(["batch_id", "merchant_id"], ["batches.id", "batches.merchant_id"],
                                name="fk_proofs_batch", ondelete="CASCADE"),
        sa.CheckConstraint("state IN ('undecided', 'waiting', 'approved', 'rejected')", name="ck_proofs_state"),
    )  # fmt: skip
    op.create_index("ix_proofs_waiting", "proofs", ["merchant_id", "id"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("ix_proofs_sample_id", "proofs", ["sample_id"])
    op.execute("""
        INSERT INTO proofs (merchant_id, batch_id, sample_id, why, price, state, until, judged_by, made_at)
        SELECT merchant_id, batch_id, proof_batch_id, coalesce(plan ->> 'proof', ''), plan, proof, proof_until,
               judged_by, created_at
        FROM nights WHERE proof <> 'none' AND batch_id IS NOT NULL ORDER BY id
    """)
    op.create_table(
        "known_looks",
        sa.Column("merchant_id", sa.BigInteger, sa.ForeignKey("merchants.id", name="fk_known_looks_merchant_id")),
        sa.Column("look", postgresql.JSONB),
        sa.PrimaryKeyConstraint("merchant_id", "look", name="pk_known_looks"),
    )
    op.execute("""
        INSERT INTO known_looks SELECT DISTINCT merchant_id, look FROM batches
        WHERE queue <> 'preview' AND succeeded > 0
    """)
    op.execute("ALTER TABLE known_looks ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON known_looks TO {ROLE} USING (merchant_id = {OWN})")
    op.execute(f"GRANT SELECT, INSERT ON known_looks TO {ROLE}")
    op.execute("ALTER TABLE proofs ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON proofs TO {ROLE} USING (merchant_id = {OWN})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON proofs TO {ROLE}")


def downgrade() -> None:
    op.execute("""
        UPDATE nights n SET proof = p.state, proof_batch_id = p.sample_id, proof_until = p.until,
            judged_by = p.judged_by
        FROM proofs p WHERE p.batch_id = n.batch_id AND p.state <> 'undecided'
    """)
    op.drop_table("known_looks")
    op.drop_table("proofs")
    op.drop_column("jobs", "pixels")
    op.drop_column("merchants", "proof_rules")
