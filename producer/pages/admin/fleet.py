"""At the top of the page: who works, what waits, what failed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from producer.pages.admin.elements import badge, figures, moment, more, span, table
from producer.pages.admin.view import Live, View
from shared.operations.dead_letters import Heap
from shared.queue.fleet import Worker


def fleet(view: Live) -> str:
    """Show the fleet and the backlog in numbers: a part that is looked at again."""
    alive = [worker for worker in view.workers if worker.alive]
    pairs = [("workers", f"{len(alive)}"), ("chunk slots", f"{sum(worker.slots for worker in alive)}")]
    for queue in view.queues:
        pairs.append((f"{queue.queue} images wait", f"{queue.queued:,}"))
        if queue.age_seconds >= 1:
            pairs.append((f"oldest {queue.queue} chunk", span(queue.age_seconds)))
        if queue.paused:
            pairs.append((f"{queue.queue} batches rest", f"{queue.paused:,}"))
    return f'<div data-live id="fleet">{figures(pairs)}</div>'


def details(view: View) -> str:
    """Keep the workers and the newest failures at hand."""
    found = more(f"Workers <small>{len(view.workers)}</small>", _workers(view.workers)) if view.workers else ""
    return found + (more("Failed images, newest batches", _failed(view.failed)) if view.failed else "")


def _workers(workers: Sequence[Worker]) -> str:
    rows = [
        (
            f"{escape(one.host)} {one.pid}",
            escape(one.device),
            f"{one.slots}",
            moment(one.started_at),
            badge("alive") if one.alive else badge("silent", "bad"),
        )
        for one in workers
    ]
    return table("Workers", ("host, process", "device", "slots", "since", "state"), rows)


def _failed(heaps: Sequence[Heap]) -> str:
    rows = [
        (escape(one.merchant), f"<bdi>{escape(one.name)}</bdi>", f"<code>{escape(one.code)}</code>",
         f"{one.images:,}", f"{one.retryable:,}")
        for one in heaps
    ]  # fmt: skip
    return table("Failed images", ("merchant", "batch", "code", "images", "may do better"), rows)
