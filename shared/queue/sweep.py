"""Sweep: find and repair lost leases and messages. A timer in every worker runs it, and beat."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, text

from shared.broker import ROUTES, Broker
from shared.database import Lock, transaction, try_lock
from shared.models.promotion.watch import watch_canary
from shared.models.training.tick import publish_due
from shared.queue import chunks, fleet
from shared.queue.dispatch import dispatch, under_way
from shared.queue.queues import QueueName
from shared.queue.reconciler import SAMPLED_JOBS, Repaired, reconcile

LOST_AFTER_SECONDS = 5
"""Seconds after which an unclaimed message may be lost. Publishing one that is not lost does no harm."""


@dataclass(frozen=True)
class Swept:
    """Repairs of a sweep."""

    expired: int = 0
    republished: int = 0
    dispatched: int = 0
    repaired: Repaired = field(default_factory=Repaired)


def sweep(engine: Engine, broker: Broker, *, sampled_jobs: int = SAMPLED_JOBS) -> Swept:
    """Return expired leases to waiting, reconcile, watch the canary, publish lost messages again, and dispatch.

    Only one sweep returns leases at a time, under an advisory lock; another returns at once. ``sampled_jobs`` is the
    number of jobs of progressing batches that are checked, besides those of stalled ones.
    """
    with transaction(engine) as connection:
        if not try_lock(connection, Lock.SWEEP):
            return Swept()
        expired = chunks.expire_leases(connection)
        cancel_stragglers(connection)
        chunks.withdraw_paused(connection)
        fleet.forget_dead(connection)
    repaired = reconcile(engine, sampled_jobs)
    watch_canary(engine)
    republished = republish_lost(engine, broker)
    publish_due(engine, broker)
    return Swept(expired, republished, dispatch(engine, broker), repaired)


def cancel_stragglers(connection: Connection) -> None:
    """Cancel chunks that were added to a batch while it was being cancelled, or were released later."""
    rows = connection.execute(text("SELECT id FROM batches WHERE state = 'cancelled' AND finished_at IS NULL"))
    for batch_id in rows.scalars().all():
        chunks.cancel_unleased(connection, batch_id)


def republish_lost(engine: Engine, broker: Broker) -> int:
    """Publish unclaimed chunks again when Redis holds fewer messages than expected.

    Redis may lose everything at any moment, and kombu pops and records in two steps, so even a
    healthy Redis can lose a message. A message that arrives twice finds its chunk claimed and is dropped.
    """
    held = broker.held()
    with transaction(engine) as connection:
        now = under_way(connection)
        # Compared separately: surplus messages of one must not hide missing ones of the other.
        expected = {ROUTES[QueueName.PREVIEW]: now.previews, ROUTES[QueueName.BULK]: now.unclaimed}
        short = [name for name, route in ROUTES.items() if held[route] < expected[route]]
        if not short:
            return 0
        rows = connection.execute(
            text("""
            UPDATE chunks SET dispatched_at = clock_timestamp() WHERE id IN (
                SELECT id FROM chunks
                WHERE state = 'dispatched' AND lease_expires_at IS NULL AND queue = ANY(:short)
                  AND dispatched_at < clock_timestamp() - make_interval(secs => :age)
                ORDER BY id FOR UPDATE SKIP LOCKED)
            RETURNING id, queue
            """),
            {"age": LOST_AFTER_SECONDS, "short": short},
        ).all()
    broker.publish((row.id, row.queue) for row in rows)
    return len(rows)
