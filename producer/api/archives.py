"""Route that sends a batch's renditions as one ZIP archive."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from typing import Annotated

from anyio import CancelScope
from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from producer.api.access import Asking, ForCallers
from producer.api.requests import BrokenOff
from producer.output.batch_archive import ArchiveFilter, archive_batch
from shared.errors import AtelierError, InvalidInput
from shared.queue import batches
from shared.queue.batches import Batch

router = APIRouter(prefix="/v1", tags=["batches"], route_class=ForCallers)

ARCHIVES_AT_ONCE = 3
"""Archives that one merchant may receive at once from a process: each keeps a thread busy now and then."""


def archived(request: Request, asking: Asking, batch: str) -> Batch:
    """Return the batch before the answer begins, and count the answer as an archive and no longer as a request."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
    end_request = request.scope["leave"]
    request.scope["leave"] = request.app.state.archives.enter(str(asking.merchant_id))
    end_request()
    return found


Archived = Annotated[Batch, Depends(archived)]
ByPreset = Annotated[str | None, Query(max_length=200, description="Only renditions for this preset of the batch.")]
ByStyle = Annotated[str | None, Query(max_length=200, description="Only images in this style.")]


@router.get("/batches/{batch}/archive.zip", response_class=StreamingResponse)
def archive(asking: Asking, found: Archived, preset: ByPreset = None, style: ByStyle = None) -> StreamingResponse:
    """Give the finished renditions as a ZIP archive, with results.csv. An answer that breaks off is no valid archive.

    A rendition that the store lacks is left out, and named in missing.csv, the last entry.
    """
    if preset is not None and preset not in found.rendition_presets:
        known = ", ".join(found.rendition_presets)
        raise InvalidInput(
            f"batch {found.id} has no preset {preset[:80]!r}: choose among {known}", code="unknown_preset"
        )
    content = archive_batch(asking.session, found, ArchiveFilter(preset, style))
    return _Archive(
        _cut_off_by_errors(content),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{file_name(found)}.zip"'},
    )


class _Archive(StreamingResponse):
    """Answer that ends its stream however it ends itself, so that a client that leaves keeps no files on our disk."""

    def __init__(self, content: Generator[bytes, None, None], *, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await run_in_threadpool(self._content.close)


def _cut_off_by_errors(content: Iterator[bytes]) -> Generator[bytes, None, None]:
    try:
        yield from content
    except AtelierError as error:
        raise BrokenOff(error) from error


def file_name(batch: Batch) -> str:
    """Return the name of a batch in plain letters, for a file that a browser saves."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", batch.name).strip("-.")[:60]
    return f"{plain or 'batch'}-{str(batch.id)[:8]}"
