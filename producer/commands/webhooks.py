"""Commands ``webhooks``: addresses that are told of a merchant's events."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from producer.commands.batches import Merchant, configured, with_merchant
from shared.context import open_session
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.terminal import JsonOption, group, note, print_json, print_line
from shared.web_url import parse_web_url
from shared.webhooks import actions, deliveries, webhooks
from shared.webhooks.deliveries import Delivery
from shared.webhooks.webhooks import ROTATION_HOURS, Event, Webhook

Number = Annotated[int, typer.Argument(metavar="WEBHOOK", help="Number of the webhook.", min=1, max=2**63 - 1)]
DeliveryId = Annotated[int, typer.Argument(metavar="DELIVERY", help="Number of the delivery.", min=1, max=2**63 - 1)]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    found = group(app, "webhooks", "Addresses that are told when a batch has finished or needs approval.")
    for name, command in (
        ("add", add),
        ("list", list_command),
        ("remove", remove),
        ("test", send_test),
        ("deliveries", log),
        ("resend", resend),
        ("rotate", rotate),
        ("enable", enable),
    ):
        found.command(name)(command)


def add(
    url: Annotated[str, typer.Argument(help="Address that events are posted to.")],
    event: Annotated[list[Event] | None, typer.Option("--event", "-e", help="Only these events; repeat.")] = None,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Have events sent to an address, and print the secret that signs them. It cannot be shown again."""
    with open_session(configured(), lasting=False) as session:
        added, secret = actions.add_webhook(session.engine, operator(merchant), url, event or tuple(Event))
    if as_json:
        print_json(asdict(added) | {"secret": secret})
        return
    try_it = with_merchant(f"atelier webhooks test {added.id}", merchant)
    note(f"webhook {added.id} is told of {', '.join(added.events)}; try it: {try_it}")
    note("store this secret safely; it cannot be shown again:")
    print_line(secret)


def list_command(merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """List the webhooks."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = webhooks.list_webhooks(connection, mine)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        print_line(f"{one.id}  {parse_web_url(one.url).shown}  {_state(one)}  {', '.join(one.events)}")
    if not found:
        note("no webhooks yet: add one with `atelier webhooks add URL`")


def remove(webhook: Number, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Remove a webhook with its log; what waits is not sent."""
    with open_session(configured(), lasting=False) as session:
        _say(actions.remove_webhook(session.engine, operator(merchant), webhook), "removed", as_json)


def enable(webhook: Number, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Send again to a webhook that was disabled, or that rests after failures."""
    with open_session(configured(), lasting=False) as session:
        _say(actions.enable_webhook(session.engine, operator(merchant), webhook), "enabled", as_json)


def rotate(webhook: Number, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Print a new secret. The one before signs too for a day."""
    with open_session(configured(), lasting=False) as session:
        secret = actions.rotate_secret(session.engine, operator(merchant), webhook)
    if as_json:
        print_json({"webhook": webhook, "secret": secret})
        return
    note(f"for {ROTATION_HOURS} hours the secret before it signs, too; it cannot be shown again:")
    print_line(secret)


def send_test(webhook: Number, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Have a test event sent."""
    with open_session(configured(), lasting=False) as session:
        _told(actions.send_test(session.engine, operator(merchant), webhook), merchant, as_json)


def resend(
    webhook: Number, delivery: DeliveryId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False
) -> None:
    """Have an event sent again."""
    with open_session(configured(), lasting=False) as session:
        _told(actions.resend(session.engine, operator(merchant), webhook, delivery), merchant, as_json)


def log(
    webhook: Number,
    merchant: Merchant = LOCAL_MERCHANT,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of deliveries.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List what was sent to a webhook, newest first, and how that went."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = deliveries.list_deliveries(connection, mine, webhook, limit=limit)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        print_line(f"{one.id}  {one.created_at:%Y-%m-%d %H:%M:%S}  {one.event}  {_progress(one)}")
    if not found:
        note("nothing has been sent to it yet")


def _progress(delivery: Delivery) -> str:
    if delivery.state == "waiting" and delivery.attempts:
        return f"tried {delivery.attempts} times ({delivery.problem}), again at {delivery.next_attempt_at:%H:%M:%S}"
    return delivery.state if delivery.problem is None else f"{delivery.state}: {delivery.problem}"


def _state(webhook: Webhook) -> str:
    if webhook.disabled_at is not None:
        return "disabled"
    if webhook.failures:
        return f"failed {webhook.failures} times"
    return "enabled"


def _say(webhook: Webhook, what: str, as_json: bool) -> None:
    if as_json:
        print_json(asdict(webhook))
    else:
        note(f"webhook {webhook.id} {what}")


def _told(delivery: Delivery, merchant: str, as_json: bool) -> None:
    if as_json:
        print_json(asdict(delivery))
    else:
        deliveries_of = with_merchant(f"atelier webhooks deliveries {delivery.webhook_id}", merchant)
        note(f"`atelier beat` sends it; see how it went: {deliveries_of}")
