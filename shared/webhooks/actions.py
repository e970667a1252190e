"""Actions on webhooks: add, remove, enable, rotate the secret, test, send again."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Engine

from shared.merchants import audit
from shared.merchants.actors import Actor, confined
from shared.merchants.merchants import require_kept
from shared.web_url import parse_web_url
from shared.webhooks import deliveries, webhooks
from shared.webhooks.deliveries import Delivery
from shared.webhooks.webhooks import Event, Webhook


def add_webhook(engine: Engine, actor: Actor, url: str, events: Collection[Event]) -> tuple[Webhook, str]:
    """Have events sent to an address. Returns the webhook with its secret, shown only once.

    Raises UsageError for an unusable address or no event, Conflict if it exists or there are too many.
    """
    with confined(engine, actor) as (connection, merchant):
        require_kept(connection, merchant)
        added, secret = webhooks.add_webhook(connection, merchant, url, events)
        _record(connection, actor, merchant, "webhooks add", added)
        return added, secret


def remove_webhook(engine: Engine, actor: Actor, number: int) -> Webhook:
    """Remove a webhook and its log. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        removed = webhooks.remove_webhook(connection, merchant, number)
        _record(connection, actor, merchant, "webhooks remove", removed)
        return removed


def enable_webhook(engine: Engine, actor: Actor, number: int) -> Webhook:
    """Send to a webhook again that was disabled or rests. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        enabled = webhooks.enable_webhook(connection, merchant, number)
        _record(connection, actor, merchant, "webhooks enable", enabled)
        return enabled


def rotate_secret(engine: Engine, actor: Actor, number: int) -> str:
    """Return a new secret of a webhook, shown only once; for a day the one before signs, too. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        secret = webhooks.rotate_secret(connection, merchant, number)
        _record(connection, actor, merchant, "webhooks rotate", webhooks.find_webhook(connection, merchant, number))
        return secret


def send_test(engine: Engine, actor: Actor, number: int) -> Delivery:
    """Have a test event sent to a webhook. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        return deliveries.add_test(connection, merchant, number)


def resend(engine: Engine, actor: Actor, number: int, delivery: int) -> Delivery:
    """Have an event sent again that was delivered or given up. Raises NotFound, Conflict."""
    with confined(engine, actor) as (connection, merchant):
        return deliveries.resend(connection, merchant, number, delivery)


def _record(connection: Connection, actor: Actor, merchant: int, what: str, webhook: Webhook) -> None:
    details = {"webhook": webhook.id, "host": parse_web_url(webhook.url).host, "events": list(webhook.events)}
    audit.record(connection, actor.name, what, merchant, details)
