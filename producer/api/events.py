"""The route that follows a batch: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from producer.api.access import Asking, Caller, ForCallers
from producer.api.watch import BatchWatch
from producer.output.summary import as_json
from shared.queue import batches
from shared.queue.batches import Batch
from shared.queue.jobs import Failure, failed_jobs

FAILURES = 1000
"""Failed images told of in one stream; `errors.csv` has all."""

router = APIRouter(prefix="/v1", tags=["batches"], route_class=ForCallers)


def followed(request: Request, asking: Asking, batch: str) -> Batch:
    """Return the batch, before the stream begins, and count the stream as such and no longer as a request."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
    end_request = request.scope["leave"]
    request.scope["leave"] = request.app.state.streams.enter(str(asking.merchant_id))
    end_request()
    return found


@router.get("/batches/{batch}/events", response_class=EventSourceResponse)
async def follow(
    request: Request, asking: Asking, found: Annotated[Batch, Depends(followed)]
) -> AsyncIterator[ServerSentEvent]:
    """Follow a batch to its end: ``batch`` with its figures when they change, ``failed`` for each failed image.

    It begins with how things stand, so a stream that was interrupted has missed nothing.
    """
    watch: BatchWatch = request.app.state.watch
    known: set[int] = set()  # images that have failed: one that is retried leaves it, and may fail again
    told = 0
    async for batch in watch.changes(found):
        failures = await run_in_threadpool(_failures, asking, batch) if batch.failed and told < FAILURES else []
        for one in failures:
            if one.ordinal not in known and told < FAILURES:
                told += 1
                yield ServerSentEvent(event="failed", data=asdict(one))
        known = {one.ordinal for one in failures}
        yield ServerSentEvent(event="batch", data=as_json(batch))


def _failures(asking: Caller, batch: Batch) -> list[Failure]:
    with asking.transaction() as connection:
        return failed_jobs(connection, batch.id, after=-1, limit=FAILURES)
