"""Route for renditions."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Path, Response
from fastapi.responses import RedirectResponse

from producer.api.access import Asking, ForCallers
from shared.errors import NotFound
from shared.queue import batches, jobs
from shared.settings import Settings

LINK_SECONDS = 300
MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".avif": "image/avif"}
"""Not ``mimetypes``, which knows WebP only where the system does."""

router = APIRouter(prefix="/v1", tags=["renditions"], route_class=ForCallers)


@router.get("/batches/{batch}/jobs/{ordinal}/renditions/{preset}", response_class=Response)
def rendition(asking: Asking, batch: str, ordinal: Annotated[int, Path(ge=0, le=2**31 - 1)], preset: str) -> Response:
    """Return the file of a rendition, or redirect to the store if callers can reach it."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
        results = jobs.results_between(connection, found.id, ordinal, ordinal)
    made = next((one for one in results if one.preset == preset and one.object_key), None)
    if made is None or made.object_key is None:
        raise NotFound(f"image {ordinal} of batch {found.id} has no rendition {preset!r}")
    name = made.output.rpartition("/")[2] + "." + made.object_key.rpartition(".")[2]
    store = asking.session.store
    if _is_public(asking.session.settings) and (
        url := store.presigned_url(made.object_key, expires_seconds=LINK_SECONDS, download_name=name)
    ):
        return RedirectResponse(url, 307)
    return Response(store.get(made.object_key), media_type=media_type(made.object_key))


def media_type(key: str) -> str:
    """Return the media type of a rendition by its key."""
    return MEDIA_TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")


def _is_public(settings: Settings) -> bool:
    """Return whether callers can reach the store: at its public endpoint, or because it is AWS."""
    return settings.s3_public_endpoint_url is not None or settings.s3_endpoint_url is None
