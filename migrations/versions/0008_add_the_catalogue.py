"""Add the catalogue, its looks, what was published, and the nights with their schedules.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

OWN = "(SELECT nullif(current_setting('atelier.merchant_id', true), '')::bigint)"

# What a merchant may do, each to his own rows.
PRIVILEGES = {
    "catalog_images": "SELECT, INSERT, UPDATE",
    "catalog_looks": "SELECT, INSERT, UPDATE, DELETE",
    "publications": "SELECT, INSERT",
    "schedules": "SELECT, INSERT, UPDATE, DELETE",
    "pauses": "SELECT, INSERT, DELETE",
    "nights": "SELECT, INSERT, UPDATE",
    "night_images": "SELECT, INSERT",
}


def upgrade() -> None:
    op.create_table(
        "catalog_images",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("collection", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("pixels", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Uuid(), nullable=False),
        sa.Column("styled_content", sa.Uuid(), nullable=True),
        sa.Column("styled_look", sa.Uuid(), nullable=True),
        sa.Column("styled_model", sa.Uuid(), nullable=True),
        sa.Column("refused_content", sa.Uuid(), nullable=True),
        sa.Column("refused_code", sa.Text(), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("publication_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_catalog_images_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_images")),
        sa.UniqueConstraint("merchant_id", "sku", "position", name="uq_catalog_images_sku"),
    )
    op.create_table(
        "catalog_looks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("look", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("follows_model", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'new'"), nullable=False),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(scope = 'default') = (value = '')", name=op.f("ck_catalog_looks_value")),
        sa.CheckConstraint(
            "scope IN ('default', 'category', 'collection', 'sku')", name=op.f("ck_catalog_looks_scope")
        ),
        sa.CheckConstraint("state IN ('new', 'approved', 'rejected')", name=op.f("ck_catalog_looks_state")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_catalog_looks_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_looks")),
        sa.UniqueConstraint("merchant_id", "scope", "value", name="uq_catalog_looks_scope"),
    )
    op.create_table(
        "pauses",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_pauses_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pauses")),
        sa.UniqueConstraint("merchant_id", name="uq_pauses_merchant_id", postgresql_nulls_not_distinct=True),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("'nightly'"), nullable=False),
        sa.Column("crontab", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.Time(), nullable=True),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("kind IN ('nightly')", name=op.f("ck_schedules_kind")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_schedules_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("merchant_id", "kind", name="uq_schedules_kind"),
    )
    op.create_table(
        "night_images",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("look_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Uuid(), nullable=False),
        sa.Column("look", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "reason IN ('missing', 'source_changed', 'look_changed', 'model_changed')",
            name=op.f("ck_night_images_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id", "merchant_id"],
            ["batches.id", "batches.merchant_id"],
            name="fk_night_images_batch",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("batch_id", "ordinal", name=op.f("pk_night_images")),
    )
    op.create_table(
        "nights",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("schedule_id", sa.BigInteger(), nullable=True),
        sa.Column("slot", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'planning'"), nullable=False),
        sa.Column("lease", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("proof", sa.Text(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("proof_batch_id", sa.Uuid(), nullable=True),
        sa.Column("proof_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("judged_by", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("proof IN ('none', 'waiting', 'approved', 'rejected')", name=op.f("ck_nights_proof")),
        sa.CheckConstraint("state IN ('planning', 'planned', 'missed', 'failed')", name=op.f("ck_nights_state")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_nights_batch_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_nights_merchant_id")),
        sa.ForeignKeyConstraint(
            ["proof_batch_id"], ["batches.id"], name=op.f("fk_nights_proof_batch_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name=op.f("fk_nights_schedule_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nights")),
        sa.UniqueConstraint("schedule_id", "slot", name="uq_nights_slot"),
    )
    op.create_index("ix_nights_merchant_id", "nights", ["merchant_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("ix_nights_proof_batch_id", "nights", ["proof_batch_id"], unique=False)
    op.create_index(
        "ix_nights_unsettled", "nights", ["id"], unique=False, postgresql_where=sa.text("settled_at IS NULL")
    )
    op.create_index("uq_nights_batch_id", "nights", ["batch_id"], unique=True)
    op.create_table(
        "publications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("rendition_id", sa.BigInteger(), nullable=False),
        sa.Column("before_id", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("action IN ('publish', 'revert', 'move')", name=op.f("ck_publications_action")),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_publications_batch_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["before_id"], ["publications.id"], name=op.f("fk_publications_before_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["catalog_images.id"], name=op.f("fk_publications_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_publications_merchant_id")),
        sa.ForeignKeyConstraint(["rendition_id"], ["renditions.id"], name=op.f("fk_publications_rendition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publications")),
    )
    op.create_index("ix_publications_batch_id", "publications", ["batch_id"], unique=False)
    op.create_index("ix_publications_before_id", "publications", ["before_id"], unique=False)
    op.create_index("ix_publications_image_id", "publications", ["image_id"], unique=False)
    op.create_index("ix_publications_made_at", "publications", ["made_at"], unique=False)
    op.create_index("ix_publications_rendition_id", "publications", ["rendition_id"], unique=False)
    for table, privileges in PRIVILEGES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own ON {table} TO atelier_merchant USING (merchant_id = {OWN})")
        op.execute(f"GRANT {privileges} ON {table} TO atelier_merchant")
    # That everybody's nights rest is no secret.
    op.execute("CREATE POLICY everybody ON pauses FOR SELECT TO atelier_merchant USING (merchant_id IS NULL)")


def downgrade() -> None:
    op.drop_index("ix_publications_rendition_id", table_name="publications")
    op.drop_index("ix_publications_made_at", table_name="publications")
    op.drop_index("ix_publications_image_id", table_name="publications")
    op.drop_index("ix_publications_before_id", table_name="publications")
    op.drop_index("ix_publications_batch_id", table_name="publications")
    op.drop_table("publications")
    op.drop_index("uq_nights_batch_id", table_name="nights")
    op.drop_index("ix_nights_unsettled", table_name="nights", postgresql_where=sa.text("settled_at IS NULL"))
    op.drop_index("ix_nights_proof_batch_id", table_name="nights")
    op.drop_index("ix_nights_merchant_id", table_name="nights")
    op.drop_table("nights")
    op.drop_table("night_images")
    op.drop_table("schedules")
    op.drop_table("pauses")
    op.drop_table("catalog_looks")
    op.drop_table("catalog_images")
