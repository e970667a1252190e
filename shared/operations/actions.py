"""Actions on failed images over all batches: replay or discard them.

All raise NotAllowed for a merchant's key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine

from shared.broker import Broker
from shared.database import transaction
from shared.errors import Conflict, NotFound
from shared.merchants import audit
from shared.merchants.actors import Actor
from shared.operations.dead_letters import FailureGroup
from shared.queue import batches, retry
from shared.queue.batches import Batch, BatchState
from shared.queue.dispatch import dispatch_or_warn


@dataclass(frozen=True)
class Replayed:
    """How many images were queued again, and warnings for the caller."""

    images: int
    warnings: tuple[str, ...] = ()


def replay_failures(engine: Engine, broker: Broker, actor: Actor, groups: Sequence[FailureGroup]) -> Replayed:
    """Queue failed images again, batch by batch, and dispatch. Those with invalid rows stay failed."""
    images = _for_each_batch(engine, actor, groups, "dead letters: replay", retry.retry_batch)
    return Replayed(images, dispatch_or_warn(engine, broker) if images else ())


def discard_failures(engine: Engine, actor: Actor, groups: Sequence[FailureGroup]) -> int:
    """Count failed images as cancelled, batch by batch; return how many."""
    return _for_each_batch(engine, actor, groups, "dead letters: discard", retry.discard_failures)


Change = Callable[[Engine, Batch, Sequence[str]], int]


def _for_each_batch(engine: Engine, actor: Actor, groups: Sequence[FailureGroup], what: str, change: Change) -> int:
    """Change the counted failures of each batch, page by page."""
    actor.require_admin()
    codes: dict[tuple[UUID, int], list[str]] = {}
    for group in groups:
        codes.setdefault((group.batch, group.merchant_id), []).append(group.code)
    total = 0
    for (batch_id, merchant), names in codes.items():
        try:
            with transaction(engine, merchant=merchant) as connection:
                batch = batches.get_batch(connection, batch_id)
            if batch.state == BatchState.CANCELLED:  # since the count
                continue
            # Before the pages, each of which is a transaction of its own.
            with transaction(engine, merchant=merchant) as connection:
                details = {"batch": batch_id, "codes": names, "failed": batch.failed}
                audit.record(connection, actor.name, what, merchant, details)
            total += change(engine, batch, names)
        except (Conflict, NotFound):  # cancelled or pruned since the count
            continue
    return total
