"""The route that follows a batch: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from producer.api.access import Asking, Caller, ForCallers
from producer.api.watch import BatchWatch
from producer.output.summary import as_json
from shared.queue import batches
from shared.queue.batches import Batch
from shared.queue.job_pages import job_page
from shared.queue.jobs import JobResult, JobState

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
    told: set[int] = set()
    async for batch in watch.changes(found):
        if batch.failed > len(told) and len(told) < FAILURES:
            for one in await run_in_threadpool(_failures, asking, batch):
                if one.ordinal not in told:
                    told.add(one.ordinal)
                    yield ServerSentEvent(event="failed", data=_failure(one))
        yield ServerSentEvent(event="batch", data=as_json(batch))


def _failures(asking: Caller, batch: Batch) -> list[JobResult]:
    with asking.transaction() as connection:
        return job_page(connection, batch, state=JobState.FAILED, after=-1, limit=FAILURES)[0]


def _failure(job: JobResult) -> dict[str, object]:
    return {
        "ordinal": job.ordinal,
        "sku": job.sku,
        "image": job.image,
        "code": job.code,
        "message": job.message,
        "retryable": job.retryable,
    }
