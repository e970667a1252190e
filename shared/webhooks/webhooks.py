"""Webhooks of a merchant: where its events are sent, and the secrets that sign them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text

from shared.errors import Conflict, NotFound, SourceRefused, UsageError
from shared.web_url import parse_web_url

MOST_WEBHOOKS = 10
"""Webhooks of one merchant."""

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"
"""Start of every secret, as the specification wants it."""

ROTATION_HOURS = 24
"""How long the secret before a rotation signs, too, so that a receiver has time to change over."""


class Event(StrEnum):
    """What a merchant can be told of."""

    BATCH_SEALED = "batch.sealed"
    """All rows of a submission have been read."""
    BATCH_FINISHED = "batch.finished"
    """All images of a batch are done, or have failed."""
    BATCH_CANCELLED = "batch.cancelled"
    BATCH_RESUMED = "batch.resumed"
    """A finished batch runs again: failed images are tried once more."""
    PROOF_WAITING = "proof.waiting"
    """The sample of a batch needs approval."""
    PROOF_APPROVED = "proof.approved"
    PROOF_REJECTED = "proof.rejected"


TEST_EVENT = "webhook.test"
"""Sent on request only, to one webhook."""


@dataclass(frozen=True)
class Webhook:
    """Webhook as shown to its owner. ``failures`` counts the failed attempts since the last success."""

    id: int
    url: str
    events: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None
    resting_until: datetime | None
    failures: int


COLUMNS = "id, url, events, created_at, disabled_at, resting_until, failures"


def add_webhook(connection: Connection, merchant: int, url: str, events: Collection[Event]) -> tuple[Webhook, str]:
    """Add a webhook. Returns it with its secret, which is never shown again.

    Raises UsageError for an address that is no web URL, or without events; Conflict if it exists, or there are
    too many. Where the address leads is checked when something is sent.
    """
    try:
        parse_web_url(url)
    except SourceRefused as error:
        raise UsageError(f"the webhook's address is not usable: {error}") from None
    if not events:
        raise UsageError(f"choose at least one event: {', '.join(Event)}")
    # The merchant's row is locked, so that two at once do not both become the tenth.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('webhooks'), :id)"), {"id": merchant % 2**31})
    existing = list_webhooks(connection, merchant)
    if any(one.url == url for one in existing):
        raise Conflict(f"there is a webhook for {parse_web_url(url).shown} already: remove it first")
    if len(existing) >= MOST_WEBHOOKS:
        raise Conflict(f"there are {MOST_WEBHOOKS} webhooks, the most that a merchant may have: remove one first")
    row = connection.execute(
        text(f"""
        INSERT INTO webhooks (merchant_id, url, events) VALUES (:merchant, :url, :events) RETURNING {COLUMNS}
        """),
        {"merchant": merchant, "url": url, "events": sorted(set(events))},
    ).one()
    return _webhook(row), _add_secret(connection, merchant, row.id)


def list_webhooks(connection: Connection, merchant: int) -> list[Webhook]:
    """Return a merchant's webhooks, oldest first."""
    rows = connection.execute(
        text(f"SELECT {COLUMNS} FROM webhooks WHERE merchant_id = :merchant ORDER BY id"), {"merchant": merchant}
    )
    return [_webhook(row) for row in rows]


def find_webhook(connection: Connection, merchant: int, number: int) -> Webhook:
    """Return a webhook of a merchant. Raises NotFound."""
    row = connection.execute(
        text(f"SELECT {COLUMNS} FROM webhooks WHERE merchant_id = :merchant AND id = :id"),
        {"merchant": merchant, "id": number},
    ).one_or_none()
    if row is None:
        raise NotFound(
            f"this merchant has no webhook {number}: `atelier webhooks list` lists its own; --merchant names another"
        )
    return _webhook(row)


def remove_webhook(connection: Connection, merchant: int, number: int) -> Webhook:
    """Remove a webhook with its log; what waits is not sent any more. Raises NotFound."""
    found = find_webhook(connection, merchant, number)
    connection.execute(
        text("DELETE FROM webhooks WHERE merchant_id = :merchant AND id = :id"), {"merchant": merchant, "id": number}
    )
    return found


def enable_webhook(connection: Connection, merchant: int, number: int) -> Webhook:
    """Send to a webhook again that was disabled, or that rests after failures. Raises NotFound."""
    connection.execute(
        text("""
        UPDATE webhooks SET disabled_at = NULL, resting_until = NULL, failures = 0
        WHERE merchant_id = :merchant AND id = :id
        """),
        {"merchant": merchant, "id": number},
    )
    return find_webhook(connection, merchant, number)


def rotate_secret(connection: Connection, merchant: int, number: int) -> str:
    """Return a new secret of a webhook. The one before signs too for ``ROTATION_HOURS``. Raises NotFound."""
    find_webhook(connection, merchant, number)
    connection.execute(
        text("""
        UPDATE webhook_secrets SET expires_at = clock_timestamp() + make_interval(hours => :hours)
        WHERE merchant_id = :merchant AND webhook_id = :id AND expires_at IS NULL
        """),
        {"merchant": merchant, "id": number, "hours": ROTATION_HOURS},
    )
    return _add_secret(connection, merchant, number)


def _add_secret(connection: Connection, merchant: int, webhook: int) -> str:
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    connection.execute(
        text("INSERT INTO webhook_secrets (webhook_id, secret, merchant_id) VALUES (:id, :secret, :merchant)"),
        {"id": webhook, "secret": secret, "merchant": merchant},
    )
    return secret


def _webhook(row: object) -> Webhook:
    values = row._asdict()  # type: ignore[attr-defined]
    return Webhook(**values | {"events": tuple(values["events"])})
