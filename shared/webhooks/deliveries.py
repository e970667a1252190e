"""Deliveries: one event for one webhook each; they wait, are claimed by a sender, and stay as a log.

A webhook is claimed whole, for a short time: its events go out one after another, so a slow receiver delays only
itself, and one that fails rests, with all that waits for it. Whoever lost a claim changes nothing any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.errors import Conflict, NotFound
from shared.plain_text import storable
from shared.webhooks.webhooks import TEST_EVENT, find_webhook

CLAIM_SECONDS = 60.0
"""How long a sender has a webhook, unless it releases it before."""

ATTEMPT_SECONDS = 20.0
"""What is left of a claim when an attempt begins: enough for it, so that nobody else makes it at the same time."""

PAUSES = tuple(timedelta(seconds=s) for s in (5, 60, 300, 1800, 3600, 7200, 14400, 28800, 30240))
"""Between attempts: a day in all. After the last a delivery has failed."""

KEPT = timedelta(days=30)
"""How long the log keeps what has ended."""

GONE = 410
"""Status by which a receiver says that it wants nothing more, ever."""


@dataclass(frozen=True)
class Claim:
    """Webhook that a sender has until ``until``, which identifies the claim."""

    webhook_id: int
    url: str
    secrets: tuple[str, ...]
    until: datetime


@dataclass(frozen=True)
class Delivery:
    """An event for a webhook: ``waiting``, ``delivered`` or ``failed``. ``problem`` is of the last attempt."""

    id: int
    webhook_id: int
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

    @property
    def body(self) -> bytes:
        """What is sent: type, time and data of the event, as JSON."""
        said = {"type": self.event, "timestamp": self.created_at.isoformat(), "data": self.data}
        return json.dumps(said, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Attempt:
    """How an attempt ended: with the status of an answer, or with a problem before there was one."""

    status: int | None = None
    problem: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver has accepted the event."""
        return self.status is not None and 200 <= self.status < 300


COLUMNS = (
    "id, webhook_id, message, event, data, state, attempts, next_attempt_at, status, problem, created_at, ended_at"
)


def claim_due(connection: Connection, most: int) -> list[Claim]:
    """Claim up to ``most`` webhooks for which something is due, those that waited longest first."""
    rows = connection.execute(
        text("""
        WITH due AS (
            SELECT w.id FROM webhooks w CROSS JOIN LATERAL (
                SELECT next_attempt_at FROM webhook_deliveries d
                WHERE d.webhook_id = w.id AND d.state = 'waiting' AND d.next_attempt_at <= clock_timestamp()
                ORDER BY next_attempt_at LIMIT 1) first
            WHERE w.disabled_at IS NULL
              AND coalesce(w.claimed_until <= clock_timestamp(), true)
              AND coalesce(w.resting_until <= clock_timestamp(), true)
            ORDER BY first.next_attempt_at LIMIT :most FOR UPDATE OF w SKIP LOCKED
        )
        UPDATE webhooks w SET claimed_until = clock_timestamp() + make_interval(secs => :seconds)
        FROM due WHERE w.id = due.id
        RETURNING w.id, w.url, w.claimed_until, ARRAY(
            SELECT secret FROM webhook_secrets s
            WHERE s.webhook_id = w.id AND coalesce(s.expires_at > clock_timestamp(), true)
            ORDER BY s.expires_at NULLS FIRST) AS secrets
        """),
        {"most": most, "seconds": CLAIM_SECONDS},
    )
    return [Claim(row.id, row.url, tuple(row.secrets), row.claimed_until) for row in rows]


def next_delivery(connection: Connection, claim: Claim) -> Delivery | None:
    """Return the oldest delivery that is due for a claimed webhook; None without one, or near the claim's end."""
    row = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM webhook_deliveries
        WHERE webhook_id = :webhook AND state = 'waiting' AND next_attempt_at <= clock_timestamp()
          AND EXISTS (SELECT FROM webhooks w WHERE w.id = :webhook AND w.disabled_at IS NULL
                      AND w.claimed_until = :until
                      AND w.claimed_until > clock_timestamp() + make_interval(secs => :attempt))
        ORDER BY next_attempt_at, id LIMIT 1
        """),
        {"webhook": claim.webhook_id, "until": claim.until, "attempt": ATTEMPT_SECONDS},
    ).one_or_none()
    return None if row is None else Delivery(**row._asdict())


def record_attempt(connection: Connection, claim: Claim, delivery: Delivery, attempt: Attempt) -> None:
    """Record an attempt: the event is delivered, tried again after a pause, or given up after a day.

    After a failure the webhook rests, the longer the more attempts in a row have failed, whatever events they were of.
    One that answers ``GONE`` is disabled.
    """
    if not _still_claimed(connection, claim):
        return
    pause = PAUSES[delivery.attempts] if delivery.attempts < len(PAUSES) else None
    state = "delivered" if attempt.succeeded else "failed" if pause is None or attempt.status == GONE else "waiting"
    connection.execute(
        text("""
        UPDATE webhook_deliveries SET state = :state, attempts = attempts + 1, status = :status, problem = :problem,
            next_attempt_at = clock_timestamp() + make_interval(secs => :pause),
            ended_at = CASE WHEN :state = 'waiting' THEN NULL ELSE clock_timestamp() END
        WHERE id = :id AND state = 'waiting'
        """),
        {
            "id": delivery.id,
            "state": state,
            "status": attempt.status,
            "problem": None if attempt.problem is None else storable(attempt.problem)[:500],
            "pause": 0.0 if pause is None else pause.total_seconds(),
        },
    )
    connection.execute(
        text("""
        UPDATE webhooks SET failures = CASE WHEN :succeeded THEN 0 ELSE failures + 1 END,
            resting_until = CASE WHEN NOT :succeeded THEN clock_timestamp() + make_interval(
                secs => (CAST(:pauses AS double precision[]))[least(failures + 1, :most)]) END,
            disabled_at = CASE WHEN :gone THEN clock_timestamp() ELSE disabled_at END
        WHERE id = :id
        """),
        {
            "id": claim.webhook_id,
            "succeeded": attempt.succeeded,
            "pauses": [pause.total_seconds() for pause in PAUSES],
            "most": len(PAUSES),
            "gone": attempt.status == GONE,
        },
    )


def release(connection: Connection, claim: Claim) -> None:
    """Give a webhook back, so that the next event need not wait for the end of the claim."""
    connection.execute(
        text("UPDATE webhooks SET claimed_until = NULL WHERE id = :id AND claimed_until = :until"),
        {"id": claim.webhook_id, "until": claim.until},
    )


def list_deliveries(
    connection: Connection, merchant: int, webhook: int, *, limit: int, before: int | None = None
) -> list[Delivery]:
    """Return a webhook's deliveries, newest first, of those before an id if one is given. Raises NotFound."""
    find_webhook(connection, merchant, webhook)
    rows = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM webhook_deliveries
        WHERE merchant_id = :merchant AND webhook_id = :webhook AND id < coalesce(:before, 9223372036854775807)
        ORDER BY id DESC LIMIT :limit
        """),
        {"merchant": merchant, "webhook": webhook, "before": before, "limit": limit},
    )
    return [Delivery(**row._asdict()) for row in rows]


def resend(connection: Connection, merchant: int, webhook: int, number: int) -> Delivery:
    """Have a delivery sent again, as the same message. Raises NotFound, or Conflict while it waits anyway."""
    find_webhook(connection, merchant, webhook)
    if not connection.execute(
        text("SELECT id FROM webhook_deliveries WHERE merchant_id = :merchant AND webhook_id = :webhook AND id = :id"),
        {"merchant": merchant, "webhook": webhook, "id": number},
    ).one_or_none():
        raise NotFound(f"webhook {webhook} has no delivery {number}: see `atelier webhooks deliveries {webhook}`")
    row = connection.execute(
        text(f"""
        UPDATE webhook_deliveries
        SET state = 'waiting', attempts = 0, next_attempt_at = clock_timestamp(), ended_at = NULL
        WHERE id = :id AND state <> 'waiting' RETURNING {COLUMNS}
        """),
        {"id": number},
    ).one_or_none()
    if row is None:
        raise Conflict(f"delivery {number} is not over: it is tried again by itself")
    return Delivery(**row._asdict())


def add_test(connection: Connection, merchant: int, webhook: int) -> Delivery:
    """Add a test event for one webhook, whatever events it wants. Raises NotFound."""
    find_webhook(connection, merchant, webhook)
    row = connection.execute(
        text(f"""
        INSERT INTO webhook_deliveries (webhook_id, merchant_id, message, event, data)
        VALUES (:webhook, :merchant, gen_random_uuid(), :event, '{{}}') RETURNING {COLUMNS}
        """),
        {"webhook": webhook, "merchant": merchant, "event": TEST_EVENT},
    ).one()
    return Delivery(**row._asdict())


def give_up_late(connection: Connection) -> int:
    """Let events fail that have been due for a day at receivers that fail; return how many.

    So what waits for a dead receiver has an end, however much it is.
    """
    given_up = connection.execute(
        text("""
        UPDATE webhook_deliveries d SET state = 'failed', ended_at = clock_timestamp(),
            problem = coalesce(d.problem, 'the receiver has failed for a day')
        FROM webhooks w WHERE w.id = d.webhook_id AND w.failures > 0
          AND d.state = 'waiting' AND d.next_attempt_at < clock_timestamp() - :day
        """),
        {"day": timedelta(days=1)},
    )
    return given_up.rowcount


def forget_old(connection: Connection, most: int = 10_000) -> int:
    """Delete deliveries that ended long ago from the log, up to ``most``; return how many."""
    deleted = connection.execute(
        text("""
        DELETE FROM webhook_deliveries WHERE id IN (
            SELECT id FROM webhook_deliveries
            WHERE created_at < clock_timestamp() - :kept AND state <> 'waiting' ORDER BY created_at LIMIT :most)
        """),
        {"kept": KEPT, "most": most},
    )
    return deleted.rowcount


def _still_claimed(connection: Connection, claim: Claim) -> bool:
    found = connection.execute(
        text("SELECT id FROM webhooks WHERE id = :id AND claimed_until = :until FOR UPDATE"),
        {"id": claim.webhook_id, "until": claim.until},
    )
    return found.one_or_none() is not None
