"""Routes by which the script of the upload page sends files in parts. Their errors are problems, as the API's are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from producer.api import uploads as api
from producer.api.access import Asking, Caller
from producer.api.pages.browser import ForMerchantPages
from producer.api.problems import answer, problem_of
from producer.api.uploads import NewUpload, UploadOut, UploadWithParts, begin_file, with_parts
from producer.uploaded_files import complete_upload
from shared.errors import AtelierError, InvalidInput, NotFound
from shared.uploads import actions, parts, uploads
from shared.uploads.uploads import UploadState

P = ParamSpec("P")

router = APIRouter(prefix="/upload", route_class=ForMerchantPages, include_in_schema=False)


def problems(route: Callable[P, Awaitable[Response]]) -> Callable[P, Awaitable[Response]]:
    """Answer errors of a route with problems, where a page would show them to people."""

    @wraps(route)
    async def with_problems(*arguments: P.args, **named: P.kwargs) -> Response:
        try:
            return await route(*arguments, **named)
        except AtelierError as error:
            return answer(problem_of(error))

    return with_problems


@router.post("/{draft}/files")
@problems
async def begin(asking: Asking, draft: UUID, new: NewUpload) -> Response:
    """Begin to upload a file of a draft, or go on with it."""
    return _json(await run_in_threadpool(_begin, asking, draft, new))


@router.put("/files/{upload}/parts/{number}")
@problems
async def send(request: Request, asking: Asking, upload: UUID, number: int) -> Response:
    """Take a part, as the API does."""
    await api.send(request, asking, upload, number)
    return Response(status_code=204)


@router.post("/files/{upload}/complete")
@problems
async def complete(asking: Asking, upload: UUID) -> Response:
    """Complete a file. One that nothing can be made of is removed, since its sender is told."""
    return _json(await run_in_threadpool(_complete, asking, upload))


def _begin(asking: Caller, draft: UUID, new: NewUpload) -> UploadWithParts:
    file = uploads.NewUpload(new.name, new.size, parts.PART_BYTES, new.sha256, draft)
    upload = begin_file(asking, file)
    complete = upload.state == UploadState.COMPLETE
    received = set[int]() if complete else parts.received_parts(asking.session.store, upload)
    return with_parts(asking, upload, received, "/upload/files")


def _complete(asking: Caller, upload: UUID) -> UploadOut:
    session = asking.session
    try:
        return UploadOut.of(complete_upload(session, asking.actor, upload))
    except NotFound:
        raise
    except InvalidInput:
        actions.remove_upload(session.engine, session.store, asking.actor, upload)
        raise


def _json(found: UploadOut) -> Response:
    return JSONResponse(found.model_dump(mode="json"))
