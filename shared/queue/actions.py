"""Actions on a batch: cancel, pause, resume and retry.

Each function acts for an actor and writes a line in the audit log. Commands, routes and pages call it and print
what it returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from shared.broker import Broker
from shared.errors import Conflict
from shared.merchants import audit
from shared.merchants.actors import Actor, confined
from shared.queue import batches, chunks, retry
from shared.queue.batches import Batch
from shared.queue.dispatch import dispatch_or_warn


@dataclass(frozen=True)
class Continued:
    """Batch that runs again, how many images were queued again, and warnings for the caller."""

    batch: Batch
    images: int = 0
    warnings: tuple[str, ...] = ()


def cancel_batch(engine: Engine, actor: Actor, batch: str) -> Batch:
    """Cancel a batch, given by its id or its first characters. Finished images are kept.

    Raises NotFound.
    """
    with confined(engine, actor) as (connection, merchant):
        known = batches.find_batch(connection, merchant, batch)
        chunks.cancel_batch(connection, known.id)
        _record(connection, actor, "cancel", known)
        return batches.get_batch(connection, known.id)


def pause_batch(engine: Engine, actor: Actor, batch: str) -> Batch:
    """Pause a batch: no further chunk begins, and chunks in progress are finished.

    Raises NotFound, or Conflict if it is not running or its sample needs approval.
    """
    with confined(engine, actor) as (connection, merchant):
        known = batches.find_batch(connection, merchant, batch)
        paused = batches.set_paused(connection, known, paused=True)
        chunks.withdraw_paused(connection)
        _record(connection, actor, "pause", known)
        return paused


def resume_batch(engine: Engine, broker: Broker, actor: Actor, batch: str) -> Continued:
    """Resume a paused batch, and dispatch.

    Raises NotFound, or Conflict if it is not running, its sample needs approval, or nights are paused. In the last
    case the merchant's own pause has ended all the same, so that resuming the nights is enough.
    """
    with confined(engine, actor) as (connection, merchant):
        known = batches.find_batch(connection, merchant, batch)
        resumed = batches.set_paused(connection, known, paused=False)
        _record(connection, actor, "resume", known)
    if resumed.paused:
        raise Conflict(
            f"batch {known.id} is of a night, and nights are paused: it runs as soon as `atelier schedules resume`, or "
            "--all, lifts that",
            code="nights_paused",
        )
    return Continued(resumed, warnings=dispatch_or_warn(engine, broker))


def retry_batch(engine: Engine, broker: Broker, actor: Actor, batch: str) -> Continued:
    """Queue the failed images of a batch again, and dispatch. Those with invalid rows stay failed.

    Raises NotFound, or Conflict if it was cancelled.
    """
    with confined(engine, actor) as (connection, merchant):
        known = batches.find_batch(connection, merchant, batch)
        retry.require_uncancelled(connection, known.id)
        # Before the pages, each of which is a transaction of its own: a kill in between leaves no silent change.
        _record(connection, actor, "retry", known, failed=known.failed)
    images = retry.retry_batch(engine, known)
    with confined(engine, actor) as (connection, _):
        retried = batches.get_batch(connection, known.id)
    return Continued(retried, images, dispatch_or_warn(engine, broker))


def retry_jobs(
    engine: Engine, broker: Broker, actor: Actor, batch: str, *, ordinals: Sequence[int] = (), code: str | None = None
) -> Continued:
    """Queue chosen failed images of a batch again, or all that failed with a code, and dispatch.

    Images that have not failed, or whose row is invalid, stay as they are. Raises NotFound, or Conflict if the batch
    was cancelled.
    """
    with confined(engine, actor) as (connection, merchant):
        known = batches.find_batch(connection, merchant, batch)
        retry.require_uncancelled(connection, known.id)
        chosen = {"images": len(ordinals)} if code is None else {"code": code}
        _record(connection, actor, "retry", known, **chosen)
    if code is not None:
        images = retry.retry_batch(engine, known, [code])
    else:
        with confined(engine, actor) as (connection, _):
            images = retry.retry_page(connection, known.id, sorted(set(ordinals)))
    with confined(engine, actor) as (connection, _):
        retried = batches.get_batch(connection, known.id)
    return Continued(retried, images, dispatch_or_warn(engine, broker))


def _record(connection: Connection, actor: Actor, what: str, batch: Batch, **details: int | str) -> None:
    audit.record(connection, actor.name, what, batch.merchant_id, {"batch": batch.id, **details})
