"""Tables of webhooks, their secrets, and the events that are sent to them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables.schema import count, metadata, moment, one_of

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    moment("created_at", default=True, nullable=False),
    moment("disabled_at"),
    # Until when one sender has it: its events are sent one after another.
    moment("claimed_until"),
    # After a failure nothing is sent before this.
    moment("resting_until"),
    # Failed attempts since the last success.
    count("failures"),
    UniqueConstraint("merchant_id", "url", name="uq_webhooks_merchant_id"),
)

# Those that sign: the newest and, for a day after a rotation, the one before it.
webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("webhook_id", ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("secret", Text, nullable=False),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    moment("expires_at"),
    Index("ix_webhook_secrets_webhook_id", "webhook_id"),
    Index("ix_webhook_secrets_merchant_id", "merchant_id"),
)

# The outbox, and later the log: written by triggers in the transaction of what it tells of.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("webhook_id", ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("merchant_id", ForeignKey("merchants.id"), nullable=False),
    # The same for each webhook and attempt: by it a receiver recognises what it has had already.
    Column("message", Uuid, nullable=False),
    Column("event", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    count("attempts"),
    moment("next_attempt_at", default=True, nullable=False),
    # HTTP status of the last answer; nothing else of an answer is kept or shown.
    Column("status", SmallInteger),
    Column("problem", Text),
    moment("created_at", default=True, nullable=False),
    moment("ended_at"),
    one_of("state", "waiting", "delivered", "failed"),
    Index("ix_webhook_deliveries_waiting", "webhook_id", "next_attempt_at", postgresql_where=text("state = 'waiting'")),
    Index("ix_webhook_deliveries_webhook_id", "webhook_id", "id"),
    Index("ix_webhook_deliveries_merchant_id", "merchant_id"),
    Index("ix_webhook_deliveries_created_at", "created_at"),
)
