"""Let looks end, ask about new addresses before they count as changed, and know when a photo itself was shown.

``is_first`` stays false for earlier publications: the ones before them may have been pruned.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("catalog_looks", sa.Column("ends_at", sa.DateTime(timezone=True)))
    op.add_column("catalog_looks", sa.Column("before", postgresql.JSONB))
    op.add_column("catalog_images", sa.Column("readdressed_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_catalog_images_readdressed_at", "catalog_images", ["merchant_id"],
        postgresql_where=sa.text("readdressed_at IS NOT NULL"),
    )  # fmt: skip
    op.add_column("publications", sa.Column("is_first", sa.Boolean, nullable=False, server_default=sa.text("false")))
    op.alter_column("publications", "rendition_id", nullable=True)


def downgrade() -> None:
    op.execute("""
        UPDATE catalog_images i SET publication_id = NULL
        FROM publications p WHERE p.id = i.publication_id AND p.rendition_id IS NULL
    """)
    op.execute("DELETE FROM publications WHERE rendition_id IS NULL")
    op.alter_column("publications", "rendition_id", nullable=False)
    op.drop_column("publications", "is_first")
    op.drop_index("ix_catalog_images_readdressed_at", "catalog_images")
    op.drop_column("catalog_images", "readdressed_at")
    op.drop_column("catalog_looks", "before")
    op.drop_column("catalog_looks", "ends_at")
