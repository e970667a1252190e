"""Serve the stylesheet and the scripts of the pages."""

from __future__ import annotations

from fastapi import APIRouter, Response

from producer.api.pages.browser import BrowserRoute
from producer.pages.static_files import address, content, media_type

router = APIRouter(route_class=BrowserRoute, include_in_schema=False)

FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/static/{digest}/{name}")
def static_file(digest: str, name: str) -> Response:
    """Return a file; one asked for by an earlier digest is kept for no time."""
    found = content(name)
    kept = FOR_EVER if address(name) == f"/static/{digest}/{name}" else "no-cache"
    return Response(found, media_type=media_type(name), headers={"Cache-Control": kept})
