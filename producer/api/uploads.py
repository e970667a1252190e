"""Routes for uploads: files that are sent in parts, in any order, and may be resumed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from producer.api.access import Asking, Caller, ForCallers
from producer.uploaded_files import complete_upload
from shared.errors import UsageError
from shared.uploads import actions, parts, uploads
from shared.uploads.uploads import Upload, UploadState

router = APIRouter(prefix="/v1", tags=["uploads"], route_class=ForCallers)

_RAW = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


class NewUpload(BaseModel):
    """File that is about to be sent."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=4096, description="File name, or path below the folder that was chosen: shoes/red.jpg")
    size: int = Field(ge=0, le=2**62, description="Size of the file in bytes.")
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Hash of the file, which is checked at the end."
    )


class PartOut(BaseModel):
    """Part of a file, counted from 1.

    Send it as the body of a PUT to ``url``, without a key if the address names another host. Parts that have been
    received have none.
    """

    number: int
    size: int
    received: bool
    url: str | None


class UploadOut(BaseModel):
    """Upload. ``kind`` is known once it is complete: picture, archive or manifest. ``sha256`` is then the file's own.

    ``expires_at``: time after which it is gone.
    """

    id: UUID
    name: str
    size: int
    state: UploadState
    sha256: str | None
    kind: str | None
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, upload: Upload) -> Self:
        """Return an upload as an answer."""
        return cls(
            id=upload.id,
            name=upload.name,
            size=upload.bytes,
            state=UploadState(upload.state),
            sha256=upload.sha256,
            kind=upload.kind,
            created_at=upload.created_at,
            expires_at=upload.expires_at,
        )


class UploadWithParts(UploadOut):
    """Upload with its parts. Addresses at the store hold for ten minutes: ask again for new ones."""

    parts: list[PartOut]


class UploadPage(BaseModel):
    """Uploads that no batch has used, newest first; ``before`` is the cursor of the next page, if there is one."""

    uploads: list[UploadOut]
    before: UUID | None


@router.post("/uploads", status_code=201)
def begin(asking: Asking, new: NewUpload, response: Response) -> UploadWithParts:
    """Begin an upload of one file. The answer says how to send its parts."""
    direct = asking.session.settings.s3_public_endpoint_url is not None
    part_bytes = parts.DIRECT_PART_BYTES if direct else parts.PART_BYTES
    upload = begin_file(asking, uploads.NewUpload(new.name, new.size, part_bytes, new.sha256))
    response.headers["Location"] = f"/v1/uploads/{upload.id}"
    return with_parts(asking, upload, set())


@router.get("/uploads")
def listed(asking: Asking, before: UUID | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> UploadPage:
    """List the uploads that no batch has used yet, newest first."""
    with asking.transaction() as connection:
        found = uploads.list_uploads(connection, asking.merchant_id, limit, before)
    return UploadPage(
        uploads=[UploadOut.of(upload) for upload in found], before=found[-1].id if len(found) == limit else None
    )


@router.get("/uploads/{upload}")
def show(asking: Asking, upload: UUID) -> UploadWithParts:
    """Show an upload, and which of its parts have been received."""
    found = actions.find_upload(asking.session.engine, asking.actor, upload)
    received = set[int]() if found.state == UploadState.COMPLETE else parts.received_parts(asking.session.store, found)
    return with_parts(asking, found, received)


@router.put("/uploads/{upload}/parts/{number}", status_code=204, openapi_extra=_RAW)
async def send(request: Request, asking: Asking, upload: UUID, number: int) -> None:
    """Send a part as the body. Sent again, it replaces itself."""
    engine, store = asking.session.engine, asking.session.store
    found = await run_in_threadpool(actions.find_upload, engine, asking.actor, upload)
    actions.require_part(found, number)
    with NamedTemporaryFile(prefix="atelier-part-") as file:
        try:
            async for piece in request.stream():
                file.write(piece)
        except ClientDisconnect:
            raise UsageError(f"part {number} of upload {upload} broke off: send it again", code="bad_part") from None
        file.flush()
        await run_in_threadpool(actions.put_part, store, found, number, Path(file.name))


@router.post("/uploads/{upload}/complete")
def complete(asking: Asking, upload: UUID) -> UploadOut:
    """Complete an upload: check its size and hash, and find out what it is. Repeating it does no harm."""
    return UploadOut.of(complete_upload(asking.session, asking.actor, upload))


@router.delete("/uploads/{upload}", status_code=204)
def remove(asking: Asking, upload: UUID) -> None:
    """Remove an upload. Batches that were made of it stay."""
    actions.remove_upload(asking.session.engine, asking.session.store, asking.actor, upload)


def begin_file(asking: Caller, file: uploads.NewUpload) -> Upload:
    """Begin the upload of a file, in the name of the caller."""
    session = asking.session
    return actions.begin_upload(session.engine, session.store, session.settings, asking.actor, file)


def with_parts(asking: Caller, upload: Upload, received: set[int], path: str = "/v1/uploads") -> UploadWithParts:
    """Return an upload with its parts; ``path`` is that of the routes which take them."""
    complete = upload.state == UploadState.COMPLETE
    sizes = [] if complete else list(enumerate(upload.part_sizes, 1))

    def url(number: int, size: int) -> str:
        if upload.part_bytes == parts.PART_BYTES:
            return f"{path}/{upload.id}/parts/{number}"
        key = parts.part_key(upload, number)
        signed = asking.session.store.presigned_put(key, size, expires_seconds=parts.LINK_SECONDS)
        return signed or f"{path}/{upload.id}/parts/{number}"

    return UploadWithParts(
        **UploadOut.of(upload).model_dump(),
        parts=[
            PartOut(
                number=number,
                size=size,
                received=number in received,
                url=None if number in received else url(number, size),
            )
            for number, size in sizes
        ],
    )
