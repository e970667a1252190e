"""Tables of the catalogue: images, looks, publications, schedules and nights."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.tables.schema import metadata, moment, one_of

catalog_looks = Table(
    "catalog_looks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    # The narrowest scope applies: sku before collection before category before default, whose value is empty.
    Column("scope", Text, nullable=False),
    Column("value", Text, nullable=False, server_default=text("''")),
    Column("look", JSONB, nullable=False),
    # Whether a new trunk or a relearnt style makes the renditions stale.
    Column("follows_model", Boolean, nullable=False, server_default=text("false")),
    # A sample of a new look needs approval before it is used throughout the catalogue.
    Column("state", Text, nullable=False, server_default=text("'new'")),
    moment("changed_at", default=True, nullable=False),
    # When the look ends, and what it replaced: see ``campaigns.py``.
    moment("ends_at"),
    Column("before", JSONB),
    one_of("scope", "default", "category", "collection", "sku"),
    one_of("state", "new", "approved", "rejected"),
    CheckConstraint("(scope = 'default') = (value = '')", name="value"),
    UniqueConstraint("merchant_id", "scope", "value", name="uq_catalog_looks_scope"),
)

# Image that a merchant currently has for (sku, position). ``content``, ``styled_look`` and ``styled_model`` are
# digests. The styled ones describe the newest rendition, which a revert may have replaced in the catalogue.
catalog_images = Table(
    "catalog_images",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("sku", Text, nullable=False),
    Column("position", Integer, nullable=False),
    # As on a job: the merchant's address, the address that the worker reads, and the place of the result.
    Column("image", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("category", Text, nullable=False, server_default=text("''")),
    Column("collection", Text, nullable=False, server_default=text("''")),
    Column("pixels", BigInteger, nullable=False),
    Column("content", Uuid, nullable=False),
    # The content that the feed named, where a check has since found that its source gives another picture.
    Column("feed_content", Uuid),
    Column("styled_content", Uuid),
    Column("styled_look", Uuid),
    Column("styled_model", Uuid),
    # The first 128 bits of the SHA-256 of the bytes that were styled.
    Column("styled_source", Uuid),
    # Refused content, why and when: it is not tried again every night.
    Column("refused_content", Uuid),
    Column("refused_code", Text),
    moment("refused_at"),
    # The publication shown. No foreign key, since publications refer to images, too.
    Column("publication_id", BigInteger),
    moment("changed_at", default=True, nullable=False),
    moment("removed_at"),
    # Time of the next source check, and since when the source gives no picture.
    moment("check_at", default=True, nullable=False),
    moment("gone_at"),
    # Since when the source has a new query in its address, and its host has not been asked whether the picture is new.
    moment("readdressed_at"),
    UniqueConstraint("merchant_id", "sku", "position", name="uq_catalog_images_sku"),
    # As ``CHECKED`` in checks.py.
    Index(
        "ix_catalog_images_check_at", "merchant_id", "check_at",
        postgresql_where=text("removed_at IS NULL AND source ILIKE 'http%' AND styled_content = content"),
    ),
    Index("ix_catalog_images_gone_at", "merchant_id", postgresql_where=text("gone_at IS NOT NULL")),
    Index(
        "ix_catalog_images_readdressed_at", "merchant_id", postgresql_where=text("readdressed_at IS NOT NULL")
    ),
)  # fmt: skip

# Renditions shown for a catalogue image, newest last. A publication names one rendition; those in other formats have
# the same key. Without a rendition the photo itself is shown. ``before_id`` is the publication that a revert returns
# to; before the one that ``is_first`` nothing was shown.
publications = Table(
    "publications",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("image_id", ForeignKey("catalog_images.id", ondelete="CASCADE"), nullable=False),
    Column("rendition_id", ForeignKey("renditions.id")),
    Column("before_id", ForeignKey("publications.id", ondelete="SET NULL")),
    Column("batch_id", ForeignKey("batches.id", ondelete="SET NULL")),
    Column("action", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    moment("made_at", default=True, nullable=False),
    Column("is_first", Boolean, nullable=False, server_default=text("false")),
    one_of("action", "publish", "revert", "move"),
    Index("ix_publications_image_id", "image_id"),
    Index("ix_publications_rendition_id", "rendition_id"),
    Index("ix_publications_before_id", "before_id"),
    Index("ix_publications_batch_id", "batch_id"),
    Index("ix_publications_made_at", "made_at"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("kind", Text, nullable=False, server_default=text("'nightly'")),
    # Start of the window, in the zone's time; work that has not begun by ``ends_at`` is left for the next night.
    Column("crontab", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("ends_at", Time),
    # See NightRules.
    Column("rules", JSONB, nullable=False),
    # Slots up to here have been handled.
    moment("since", default=True, nullable=False),
    # The budget of source checks is spent up to here.
    moment("checks_until"),
    one_of("kind", "nightly"),
    UniqueConstraint("merchant_id", "kind", name="uq_schedules_kind"),
)

# Merchants whose schedules are paused; a row without merchant pauses all.
pauses = Table(
    "pauses",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id")),
    Column("made_by", Text, nullable=False),
    moment("made_at", default=True, nullable=False),
    UniqueConstraint("merchant_id", name="uq_pauses_merchant_id", postgresql_nulls_not_distinct=True),
)

nights = Table(
    "nights",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    # NULL: started by hand.
    Column("schedule_id", ForeignKey("schedules.id", ondelete="SET NULL")),
    moment("slot", nullable=False),
    moment("ends_at"),
    Column("state", Text, nullable=False, server_default=text("'planning'")),
    Column("lease", Integer, nullable=False, server_default=text("0")),
    moment("lease_expires_at"),
    Column("rules", JSONB, nullable=False),
    # The plan: counts by reason, duration and cost, warnings.
    Column("plan", JSONB),
    Column("batch_id", ForeignKey("batches.id", ondelete="SET NULL")),
    # Written only by earlier releases; see ``proofs``.
    Column("proof", Text, nullable=False, server_default=text("'none'")),
    Column("proof_batch_id", ForeignKey("batches.id", ondelete="SET NULL")),
    moment("proof_until"),
    Column("judged_by", Text),
    moment("created_at", default=True, nullable=False),
    moment("settled_at"),
    one_of("state", "planning", "planned", "missed", "failed"),
    one_of("proof", "none", "waiting", "approved", "rejected"),
    UniqueConstraint("schedule_id", "slot", name="uq_nights_slot"),
    Index("ix_nights_merchant_id", "merchant_id", text("id DESC")),
    Index("ix_nights_unsettled", "id", postgresql_where=text("settled_at IS NULL")),
    Index("uq_nights_batch_id", "batch_id", unique=True),
    Index("ix_nights_proof_batch_id", "proof_batch_id"),
)

# Catalogue image of each job of a night, the reason, and the image's digests once it is styled.
night_images = Table(
    "night_images",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("merchant_id", BigInteger, nullable=False),
    Column("image_id", BigInteger, nullable=False),
    Column("look_id", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", Uuid, nullable=False),
    Column("look", Uuid, nullable=False),
    Column("model", Uuid, nullable=False),
    ForeignKeyConstraint(
        ["batch_id", "merchant_id"], ["batches.id", "batches.merchant_id"], name="fk_night_images_batch",
        ondelete="CASCADE",
    ),
    one_of("reason", "missing", "source_changed", "look_changed", "model_changed"),
)  # fmt: skip
