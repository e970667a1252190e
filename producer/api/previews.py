"""Routes for previews: one picture in one look, answered with the rendition itself if it is made in time.

A preview is a batch of one picture in the preview queue, with all that batches have: the same again is reused.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Header, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from producer.api.access import Asking, Caller, ForCallers
from producer.api.renditions import media_type
from producer.api.submissions import BatchOptions, Image, NewBatch, order_of_new, order_of_picture
from producer.submit import submit_batch
from shared.errors import Conflict, UnreadableImage, UsageError
from shared.queue import batches, jobs
from shared.queue.jobs import JobResult, JobState
from shared.queue.queues import QueueName

WAIT_SECONDS = 10
MOST_WAIT_SECONDS = 20
POLL_SECONDS = 0.15

router = APIRouter(prefix="/v1", tags=["previews"], route_class=ForCallers)

Prefer = Annotated[
    str | None,
    Header(
        max_length=200,
        description=f"wait=N: seconds to wait for the rendition, at most {MOST_WAIT_SECONDS}; {WAIT_SECONDS} if unset.",
    ),
]
_PICTURE = {200: {"content": {"image/*": {}}, "description": "Rendition"}, 202: {"description": "Not ready in time"}}


class PreviewOptions(BatchOptions):
    """Picture and look of a preview."""

    styles: list[str] = Field(min_length=1, max_length=1, description="Style or mix, as great-wave:0.3,udnie:0.7.")
    image: str | None = Field(
        None, max_length=4096, description="https:// or s3:// URL, or upload:ID; else send the file `picture`."
    )


class Pending(BaseModel):
    """Preview that is not ready yet: ask for ``url`` again."""

    preview: UUID
    url: str


@router.post("/previews", response_class=Response, responses=_PICTURE)  # type: ignore[arg-type]
async def create(
    request: Request,
    asking: Asking,
    options: Annotated[PreviewOptions, Form()],
    picture: UploadFile | None = None,
    prefer: Prefer = None,
) -> Response:
    """Style one picture: the rendition if it is made in time, else 202 with the address to ask."""
    until = time.monotonic() + wait_seconds(prefer)
    batch = await run_in_threadpool(begin_preview, asking, options, picture)
    return await preview_answer(request, asking, batch, until)


@router.get("/previews/{preview}", response_class=Response, responses=_PICTURE)  # type: ignore[arg-type]
async def show(request: Request, asking: Asking, preview: UUID, prefer: Prefer = None) -> Response:
    """Show a preview that was begun: the rendition, or 202 if it is not made in time."""
    until = time.monotonic() + wait_seconds(prefer)
    return await preview_answer(request, asking, preview, until)


def wait_seconds(prefer: str | None) -> float:
    """Return the seconds that a ``Prefer`` header (RFC 7240) asks to wait."""
    asked = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", prefer or "", re.IGNORECASE)
    return min(MOST_WAIT_SECONDS, int(asked[1])) if asked else WAIT_SECONDS


def begin_preview(asking: Caller, options: PreviewOptions, picture: UploadFile | None) -> UUID:
    """Submit a preview; return the id of its batch. Raises what submitting raises."""
    if (options.image is None) == (picture is None):
        raise UsageError("give either `image`, a URL or upload:ID, or the file `picture`", code="invalid_request")
    look = options.model_copy(update={"presets": options.presets[:1], "preview": True, "proof": False})
    if picture is not None:
        with order_of_picture(asking, look, picture) as order:
            return submit_batch(asking.session, order).batch.id
    named = Image(sku="preview", image=options.image or "")
    fields = look.model_dump(exclude={"image"})
    with order_of_new(asking, NewBatch(images=[named], **fields), None) as order:
        return submit_batch(asking.session, order).batch.id


async def preview_answer(request: Request, asking: Caller, preview: UUID, until: float) -> Response:
    """Return the rendition of a preview once it is made, or where to ask for it once ``until`` has passed.

    Raises NotFound, the error of an image that failed as UnreadableImage, or Conflict for a cancelled one.
    """
    while (job := await run_in_threadpool(_job_of, asking, preview)).state == JobState.QUEUED:
        if time.monotonic() > until or await request.is_disconnected():
            return _pending(preview)
        await asyncio.sleep(POLL_SECONDS)
    if job.state == JobState.FAILED:
        raise UnreadableImage(job.message or "the picture could not be styled", code=job.code)
    if job.object_key is None:
        raise Conflict(f"preview {preview} was cancelled, or its rendition breaks a rule of its preset")
    data = await run_in_threadpool(asking.session.store.get, job.object_key)
    at = f"/v1/batches/{preview}/jobs/{job.ordinal}/renditions/{job.preset}"
    return Response(data, media_type=media_type(job.object_key), headers={"Content-Location": at})


def _job_of(asking: Caller, preview: UUID) -> JobResult:
    with asking.transaction() as connection:
        batch = batches.find_batch(connection, asking.merchant_id, str(preview))
        if batch.queue != QueueName.PREVIEW or batch.total != 1:
            raise UsageError(f"batch {preview} is no preview of one picture: ask for its images")
        return jobs.results_between(connection, batch.id, 0, 0)[0]


def _pending(preview: UUID) -> Response:
    url = f"/v1/previews/{preview}"
    body = Pending(preview=preview, url=url).model_dump(mode="json")
    return JSONResponse(body, 202, {"Location": url, "Retry-After": "1"})
