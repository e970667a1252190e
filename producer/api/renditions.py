"""Renditions over HTTP."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import RedirectResponse

from producer.api.access import Asking
from shared import batches, jobs
from shared.errors import NotFound

router = APIRouter(prefix="/v1", tags=["renditions"])


@router.get("/batches/{batch}/jobs/{ordinal}/renditions/{preset}", response_class=Response)
def rendition(asking: Asking, batch: str, ordinal: Annotated[int, Path(ge=0, le=2**31 - 1)], preset: str) -> Response:
    """Give the file of an image, or send on to where the store gives it itself."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
        results = jobs.results_between(connection, found.id, ordinal, ordinal)
    made = next((one for one in results if one.preset == preset and one.object_key), None)
    if made is None or made.object_key is None:
        raise NotFound(f"image {ordinal} of batch {found.id} has no rendition {preset!r}")
    name = made.output.rpartition("/")[2] + "." + made.object_key.rpartition(".")[2]
    store = asking.session.store
    if url := store.presigned_url(made.object_key, expires_seconds=300, download_name=name):
        return RedirectResponse(url, 307)
    kind = mimetypes.guess_type(made.object_key)[0] or "application/octet-stream"
    return Response(store.get(made.object_key), media_type=kind)
