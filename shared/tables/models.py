"""Tables of model versions, verdicts, promotions, canaries, and styles with their vectors."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables.schema import count, metadata, moment, one_of

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("trunk_sha256", Text, nullable=False, unique=True),
    Column("object_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("provenance", JSONB, nullable=False),
    moment("created_at", default=True, nullable=False),
    one_of("state", "candidate", "champion", "retired"),
    Index("uq_model_versions_champion", "state", unique=True, postgresql_where=text("state = 'champion'")),
)

# Measured comparison of a candidate with a champion; see shared/models/promotion/verdicts.py.
verdicts = Table(
    "verdicts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("candidate_id", ForeignKey("model_versions.id"), nullable=False),
    Column("champion_id", ForeignKey("model_versions.id"), nullable=False),
    Column("figures", JSONB, nullable=False),
    # The contact sheet, and the merchants whose photos it shows.
    Column("sheet_key", Text),
    Column("merchants", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("made_by", Text, nullable=False),
    moment("made_at", default=True, nullable=False),
)

# History of the versions' states, append-only, enforced by a trigger. ``previous_id`` was the champion until then.
promotions = Table(
    "promotions",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("version_id", ForeignKey("model_versions.id"), nullable=False),
    Column("previous_id", ForeignKey("model_versions.id")),
    Column("verdict_id", ForeignKey("verdicts.id")),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    moment("at", default=True, nullable=False),
    one_of("kind", "promote", "rollback", "retire", "canary", "return"),
    Index("ix_promotions_version_id", "version_id"),
)

# Version that gets a share of the new batches, and the champion that it is compared with.
canaries = Table(
    "canaries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("version_id", ForeignKey("model_versions.id"), nullable=False),
    Column("champion_id", ForeignKey("model_versions.id"), nullable=False),
    Column("share", Double, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    # Number of the canary's batches in the last comparison, and its result.
    count("seen"),
    Column("figures", JSONB),
    # Highest number of the canary's batches in trouble at any comparison.
    count("troubled"),
    moment("started_at", default=True, nullable=False),
    moment("ended_at"),
    one_of("state", "running", "promoted", "returned", "stopped"),
    CheckConstraint("share > 0 AND share < 1", name="share"),
    Index("uq_canaries_running", "state", unique=True, postgresql_where=text("state = 'running'")),
)

styles = Table(
    "styles",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # NULL: public.
    Column("merchant_id", ForeignKey("merchants.id")),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("artist", Text, nullable=False),
    Column("year", Text, nullable=False),
    Column("licence", Text, nullable=False),
    # Of one colour by intention: looks do not keep the product's colour by default.
    Column("is_monochrome", Boolean, nullable=False, server_default=text("false")),
    # Hashes of the stored pictures that the style is learnt from.
    Column("pictures", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    moment("created_at", default=True, nullable=False),
    UniqueConstraint("merchant_id", "name", name="uq_styles_name", postgresql_nulls_not_distinct=True),
)

# Style vectors, immutable; the newest of a style for a trunk is current.
style_rows = Table(
    "style_rows",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("style_id", ForeignKey("styles.id"), nullable=False),
    Column("trunk_sha256", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    moment("created_at", default=True, nullable=False),
    UniqueConstraint("style_id", "trunk_sha256", "sha256", name="uq_style_rows_sha256"),
)
