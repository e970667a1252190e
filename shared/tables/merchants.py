"""Merchants, their keys, and who did what."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Identity, Index, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables.schema import metadata, moment

merchants = Table(
    "merchants",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # Prefixes of s3:// URLs that may be read for the merchant with our own key.
    Column("allowed_sources", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    moment("created_at", default=True, nullable=False),
    # What his renditions must be like, see Gate.
    Column("gate", JSONB),
    # Which of his uploads are proved first, see ProofRules.
    Column("proof_rules", JSONB),
    # Since when everything of the merchant's is being removed, and nothing new accepted.
    moment("erasing_at"),
    # Whether everybody's model may learn from the merchant's catalogue images.
    Column("consents_to_training", Boolean, nullable=False, server_default=text("false")),
)

# Keys of the HTTP API, of merchants and, without one, of admins. The key itself is nowhere, only its hash.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id")),
    Column("name", Text, nullable=False),
    # The first characters, so that a key in hand can be told from others.
    Column("prefix", Text, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    moment("created_at", default=True, nullable=False),
    moment("expires_at"),
    moment("used_at"),
    moment("revoked_at"),
    UniqueConstraint("merchant_id", "name", name="uq_api_keys_name", postgresql_nulls_not_distinct=True),
)

# What a URL of the web last gave; the object lies under the merchant's sources/.
source_copies = Table(
    "source_copies",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("url_sha256", Text, primary_key=True),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("sha256", Text, nullable=False),
    moment("fetched_at", default=True, nullable=False),
)

# Append-only; a trigger sees to that. No foreign key: an entry outlives its merchant.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    moment("at", default=True, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("merchant_id", BigInteger),
    Column("details", JSONB, nullable=False),
    Index("ix_audit_merchant_id", "merchant_id", "id"),
)
