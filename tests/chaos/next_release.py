"""The tables of the next release: a migration that does all that migrations may do while this release still works."""

from __future__ import annotations

import shutil
from pathlib import Path

from shared.database import MIGRATIONS, newest_revision

REVISION = "9999"

MIGRATION = '''
"""Expand the tables in every way that the release before needs not know of."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    for table in ("batches", "chunks", "jobs", "renditions", "workers"):
        op.add_column(table, sa.Column("of_the_next_release", sa.Text))
        op.add_column(table, sa.Column("counted_by_the_next_release", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_jobs_of_the_next_release", "jobs", ["of_the_next_release"])
    op.create_table(
        "of_the_next_release",
        sa.Column("batch_id", sa.Uuid, sa.ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    )
    op.execute("UPDATE jobs SET of_the_next_release = source")
'''


def add_migration(folder: Path) -> Path:
    """Copy the migrations into a folder and add one; return the folder."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = MIGRATION.format(revision=REVISION, before=newest_revision())
    (folder / "versions" / f"{REVISION}_expand.py").write_text(text.lstrip())
    return folder
