"""Know of what renditions were made, and when the host of a web source is asked whether it gives another picture.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("catalog_images", sa.Column("feed_content", sa.Uuid))
    op.add_column("catalog_images", sa.Column("styled_source", sa.Uuid))
    # One moment for all that are there, which rewrites nothing.
    op.add_column("catalog_images", sa.Column("check_at", sa.DateTime(timezone=True), nullable=False,
                                              server_default=sa.text("now()")))  # fmt: skip
    op.alter_column("catalog_images", "check_at", server_default=sa.text("clock_timestamp()"))
    op.add_column("catalog_images", sa.Column("gone_at", sa.DateTime(timezone=True)))
    op.add_column("schedules", sa.Column("checks_until", sa.DateTime(timezone=True)))
    # What is shown was made last, unless somebody went back to it; of the others the first check finds it out.
    op.execute("""
        UPDATE catalog_images i SET styled_source = CAST(left(r.source_sha256, 32) AS uuid)
        FROM publications p JOIN renditions r ON r.id = p.rendition_id
        WHERE p.id = i.publication_id AND p.action <> 'revert' AND r.source_sha256 ~ '^[0-9a-f]{64}$'
    """)
    op.create_index(
        "ix_catalog_images_check_at", "catalog_images", ["merchant_id", "check_at"],
        postgresql_where=sa.text("removed_at IS NULL AND source ILIKE 'http%' AND styled_content = content"),
    )  # fmt: skip
    op.create_index(
        "ix_catalog_images_gone_at", "catalog_images", ["merchant_id"], postgresql_where=sa.text("gone_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_catalog_images_gone_at", "catalog_images")
    op.drop_index("ix_catalog_images_check_at", "catalog_images")
    op.drop_column("schedules", "checks_until")
    for column in ("gone_at", "check_at", "styled_source", "feed_content"):
        op.drop_column("catalog_images", column)
