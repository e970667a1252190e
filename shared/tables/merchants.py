"""Tables of merchants, API keys, source copies, and the audit log."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables.schema import metadata, moment

merchants = Table(
    "merchants",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # Prefixes of s3:// URLs that may be read for the merchant with the operator's access key.
    Column("allowed_sources", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    moment("created_at", default=True, nullable=False),
    # The quality gate, see Gate.
    Column("gate", JSONB),
    # Which uploads need approval of a sample, see ProofRules.
    Column("proof_rules", JSONB),
    # Start of the merchant's erasure, after which nothing new is accepted.
    moment("erasing_at"),
    # Images that may be styled in a month: beyond the soft limit submissions warn, beyond the hard one they are
    # refused.
    Column("soft_limit", Integer),
    Column("hard_limit", Integer),
    # Whether shared models may be trained on the merchant's catalogue images.
    Column("consents_to_training", Boolean, nullable=False, server_default=text("false")),
)

# Keys of the HTTP API, of merchants or, without one, of admins. Only the hash of a key is stored.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id")),
    Column("name", Text, nullable=False),
    # The first characters, by which people recognise a key.
    Column("prefix", Text, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    moment("created_at", default=True, nullable=False),
    moment("expires_at"),
    moment("used_at"),
    moment("revoked_at"),
    UniqueConstraint("merchant_id", "name", name="uq_api_keys_name", postgresql_nulls_not_distinct=True),
)


def _of_key(name: str) -> Table:
    """Return a table of what stands for a key for some time. Only hashes are stored."""
    return Table(
        name,
        metadata,
        Column("sha256", Text, primary_key=True),
        Column("key_id", ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=False),
        moment("created_at", default=True, nullable=False),
        moment("expires_at", nullable=False),
        Index(f"ix_{name}_key_id", "key_id"),
        Index(f"ix_{name}_expires_at", "expires_at"),
    )


browser_sessions = _of_key("browser_sessions")

# Codes by which one browser may sign in once.
sign_in_codes = _of_key("sign_in_codes")

# Content that a URL last returned; the object is stored under the merchant's sources/.
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

# Pictures that looks may have as their background; the objects are stored under the merchant's backgrounds/.
backgrounds = Table(
    "backgrounds",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    moment("added_at", default=True, nullable=False),
)

# Versions of a merchant's own presets; of each name that one counts which was chosen last. Rules: see Preset.
presets = Table(
    "presets",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("rules", JSONB, nullable=False),
    moment("chosen_at", default=True, nullable=False),
    UniqueConstraint("merchant_id", "name", "sha256", name="uq_presets_version"),
)

# Append-only, enforced by a trigger. No foreign key, since an entry outlives its merchant.
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
