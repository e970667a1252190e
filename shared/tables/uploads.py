"""Table of the files that merchants upload in parts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, Uuid

from shared.tables.schema import metadata, moment, one_of

uploads = Table(
    "uploads",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    # Path relative to the folder that was chosen, with / between folders.
    Column("name", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("part_bytes", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # Files that are chosen together on the page, where a name stands for one file.
    Column("draft", Uuid),
    # What the sender says at first; once complete, what was measured.
    Column("sha256", Text),
    # What it is, and of a picture width × height; known once it is complete.
    Column("kind", Text),
    Column("pixels", BigInteger),
    moment("created_at", default=True, nullable=False),
    moment("expires_at", nullable=False),
    # When a batch was first made of it.
    moment("used_at"),
    one_of("state", "receiving", "complete"),
    one_of("kind", "picture", "archive", "manifest"),
    UniqueConstraint("merchant_id", "draft", "name", name="uq_uploads_merchant_id"),
    Index("ix_uploads_expires_at", "expires_at"),
)
