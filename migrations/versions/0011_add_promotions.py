"""Add verdicts, the history of promotions, and canaries.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"

MERCHANT = "atelier_merchant"


def upgrade() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("candidate_id", sa.BigInteger(), nullable=False),
        sa.Column("champion_id", sa.BigInteger(), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sheet_key", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["candidate_id"], ["model_versions.id"], name=op.f("fk_verdicts_candidate_id")),
        sa.ForeignKeyConstraint(["champion_id"], ["model_versions.id"], name=op.f("fk_verdicts_champion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
    )
    op.create_table(
        "promotions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("previous_id", sa.BigInteger(), nullable=True),
        sa.Column("verdict_id", sa.BigInteger(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('promote', 'rollback', 'retire', 'canary', 'return')", name=op.f("ck_promotions_kind")
        ),
        sa.ForeignKeyConstraint(["previous_id"], ["model_versions.id"], name=op.f("fk_promotions_previous_id")),
        sa.ForeignKeyConstraint(["verdict_id"], ["verdicts.id"], name=op.f("fk_promotions_verdict_id")),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"], name=op.f("fk_promotions_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    op.create_index("ix_promotions_version_id", "promotions", ["version_id"], unique=False)
    op.create_table(
        "canaries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("champion_id", sa.BigInteger(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("seen", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("share > 0 AND share < 1", name=op.f("ck_canaries_share")),
        sa.CheckConstraint("state IN ('running', 'promoted', 'returned', 'stopped')", name=op.f("ck_canaries_state")),
        sa.ForeignKeyConstraint(["champion_id"], ["model_versions.id"], name=op.f("fk_canaries_champion_id")),
        sa.ForeignKeyConstraint(["version_id"], ["model_versions.id"], name=op.f("fk_canaries_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canaries")),
    )
    op.create_index(
        "uq_canaries_running", "canaries", ["state"], unique=True, postgresql_where=sa.text("state = 'running'")
    )
    # The history begins with whoever is champion now; whom that one followed is not known.
    op.execute("""
        INSERT INTO promotions (kind, version_id, who, reason, at)
        SELECT 'promote', id, 'atelier', 'the champion when the history began', created_at
        FROM model_versions WHERE state = 'champion'
    """)
    op.execute("""
        CREATE FUNCTION refuse_change_of_promotions() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            RAISE EXCEPTION 'the history of promotions is only ever appended to'
            USING ERRCODE = 'insufficient_privilege';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promotions
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_promotions()
    """)
    # What a new batch of a merchant's is pinned to, and since when a version has been the champion.
    op.execute(f"GRANT SELECT (id, version_id, state, share) ON canaries TO {MERCHANT}")
    op.execute(f"GRANT SELECT (version_id, kind, at) ON promotions TO {MERCHANT}")


def downgrade() -> None:
    op.drop_index("uq_canaries_running", table_name="canaries", postgresql_where=sa.text("state = 'running'"))
    op.drop_table("canaries")
    op.drop_index("ix_promotions_version_id", table_name="promotions")
    op.drop_table("promotions")
    op.execute("DROP FUNCTION refuse_change_of_promotions")
    op.drop_table("verdicts")
