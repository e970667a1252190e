"""Know of what renditions were made, and when the host of a web source is asked whether it gives another picture.

Of what the renditions of before were made, ``styled_source``, is not written here, since that would rewrite every image
that is shown while nobody can read one: the first check of each counts what it sees as that. So where a host's picture
changed between the last night before the upgrade and that check, this one change goes unnoticed.

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
