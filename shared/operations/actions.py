"""What an operator can do about images that failed, over all batches: try them again, or give them up.

Raises NotAllowed for a merchant's key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine

from shared.broker import Broker
from shared.database import transaction
from shared.errors import Conflict
from shared.merchants import audit
from shared.merchants.actors import Actor
from shared.operations.dead_letters import Heap
from shared.queue import batches, retry
from shared.queue.batches import Batch, BatchState
from shared.queue.dispatch import dispatch_or_warn


@dataclass(frozen=True)
class Replayed:
    """How many images are tried again, and warnings for whoever asked."""

    images: int
    warnings: tuple[str, ...] = ()


def replay_failures(engine: Engine, broker: Broker, actor: Actor, heaps: Sequence[Heap]) -> Replayed:
    """Queue images again that failed, batch by batch, and dispatch. Those whose row itself is invalid stay failed."""
    images = _for_each_batch(engine, actor, heaps, "dead letters: replay", retry.retry_batch)
    return Replayed(images, dispatch_or_warn(engine, broker) if images else ())


def discard_failures(engine: Engine, actor: Actor, heaps: Sequence[Heap]) -> int:
    """Give up images that failed, batch by batch: they count as cancelled; return how many."""
    return _for_each_batch(engine, actor, heaps, "dead letters: discard", retry.discard_failures)


Change = Callable[[Engine, Batch, Sequence[str]], int]


def _for_each_batch(engine: Engine, actor: Actor, heaps: Sequence[Heap], what: str, change: Change) -> int:
    """Change the images of the codes that were counted in each batch, page by page."""
    actor.require_admin()
    codes: dict[tuple[UUID, int], list[str]] = {}
    for heap in heaps:
        codes.setdefault((heap.batch, heap.merchant_id), []).append(heap.code)
    total = 0
    for (batch_id, merchant), names in codes.items():
        with transaction(engine, merchant=merchant) as connection:
            batch = batches.get_batch(connection, batch_id)
        if batch.state == BatchState.CANCELLED:  # since it was counted
            continue
        try:
            images = change(engine, batch, names)
        except Conflict:  # cancelled just now
            continue
        with transaction(engine, merchant=merchant) as connection:
            details = {"batch": batch_id, "codes": names, "images": images}
            audit.record(connection, actor.name, what, merchant, details)
        total += images
    return total
