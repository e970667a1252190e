"""Routes for webhooks: addresses that are told of the merchant's events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from producer.api.access import Asking, ForCallers
from producer.api.words import MOST, Words
from shared.webhooks import actions, deliveries, webhooks
from shared.webhooks.webhooks import Event

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=ForCallers)

Number = Annotated[int, Path(ge=1, le=MOST, description="Number of the webhook.")]


class NewWebhook(BaseModel):
    """Address that events are posted to, signed after Standard Webhooks; all events unless some are named."""

    model_config = ConfigDict(extra="forbid")

    url: Words
    events: list[Event] = Field(default_factory=lambda: list(Event), min_length=1, max_length=len(Event))


class WebhookOut(BaseModel):
    """A webhook. ``failures``: failed attempts since the last success, after which it rests."""

    id: int
    url: str
    events: list[str]
    created_at: datetime
    disabled_at: datetime | None
    resting_until: datetime | None
    failures: int


class Secret(BaseModel):
    """Secret that signs events, shown only once."""

    secret: str


class Added(WebhookOut, Secret):
    """A new webhook and its secret."""


class DeliveryOut(BaseModel):
    """An event for a webhook: waiting, delivered or failed, with the status of the last answer or what went wrong."""

    id: int
    message: UUID
    event: str
    data: dict[str, Any]
    state: str
    attempts: int
    next_attempt_at: datetime
    status: int | None
    problem: str | None
    created_at: datetime
    ended_at: datetime | None


class Deliveries(BaseModel):
    """Deliveries, newest first; ``before`` is the cursor of the next page, if there is one."""

    deliveries: list[DeliveryOut]
    before: int | None


@router.post("/webhooks", status_code=201)
def add(asking: Asking, new: NewWebhook) -> Added:
    """Have events sent to an address. The secret is shown only in this answer."""
    added, secret = actions.add_webhook(asking.session.engine, asking.actor, new.url, new.events)
    return Added.model_validate(added.__dict__ | {"secret": secret})


@router.get("/webhooks")
def listed(asking: Asking) -> list[WebhookOut]:
    """List the webhooks."""
    with asking.transaction() as connection:
        found = webhooks.list_webhooks(connection, asking.merchant_id)
    return [WebhookOut.model_validate(one.__dict__) for one in found]


@router.get("/webhooks/{webhook}")
def show(asking: Asking, webhook: Number) -> WebhookOut:
    """Show a webhook."""
    with asking.transaction() as connection:
        return WebhookOut.model_validate(webhooks.find_webhook(connection, asking.merchant_id, webhook).__dict__)


@router.delete("/webhooks/{webhook}", status_code=204)
def remove(asking: Asking, webhook: Number) -> None:
    """Remove a webhook with its log; what waits is not sent."""
    actions.remove_webhook(asking.session.engine, asking.actor, webhook)


@router.post("/webhooks/{webhook}/enable")
def enable(asking: Asking, webhook: Number) -> WebhookOut:
    """Send again to a webhook that was disabled, or that rests after failures."""
    return WebhookOut.model_validate(actions.enable_webhook(asking.session.engine, asking.actor, webhook).__dict__)


@router.post("/webhooks/{webhook}/secret", status_code=201)
def rotate(asking: Asking, webhook: Number) -> Secret:
    """Make a new secret. For a day the one before signs, too: each event then has two signatures."""
    return Secret(secret=actions.rotate_secret(asking.session.engine, asking.actor, webhook))


@router.post("/webhooks/{webhook}/test", status_code=202)
def send_test(asking: Asking, webhook: Number) -> DeliveryOut:
    """Have a test event sent."""
    return DeliveryOut.model_validate(actions.send_test(asking.session.engine, asking.actor, webhook).__dict__)


@router.get("/webhooks/{webhook}/deliveries")
def log(
    asking: Asking,
    webhook: Number,
    before: Annotated[int | None, Query(ge=1, le=MOST)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Deliveries:
    """List what was sent to a webhook, newest first. The log keeps 30 days."""
    with asking.transaction() as connection:
        found = deliveries.list_deliveries(connection, asking.merchant_id, webhook, limit=limit, before=before)
    return Deliveries(
        deliveries=[DeliveryOut.model_validate(one.__dict__) for one in found],
        before=found[-1].id if len(found) == limit else None,
    )


@router.post("/webhooks/{webhook}/deliveries/{delivery}/resend", status_code=202)
def resend(asking: Asking, webhook: Number, delivery: Annotated[int, Path(ge=1, le=MOST)]) -> DeliveryOut:
    """Have an event sent again that was delivered or given up."""
    sent = actions.resend(asking.session.engine, asking.actor, webhook, delivery)
    return DeliveryOut.model_validate(sent.__dict__)
