"""Serve the pictures of the styles that come with the project: files for everybody, so they count towards no key."""

from __future__ import annotations

import hashlib
from functools import cache

from fastapi import APIRouter, Response

from producer.api.pages.browser import BrowserRoute
from producer.api.pages.static_files import FOR_EVER
from shared.errors import NotFound
from shared.models.versions import BUILT_IN

router = APIRouter(route_class=BrowserRoute, include_in_schema=False)


@router.get("/style-pictures/{digest}/{name}.jpg", response_class=Response)
def picture(digest: str, name: str) -> Response:
    """Return the picture of a style; one asked for by an earlier digest is kept for no time."""
    address = picture_address(name)
    if address is None:
        raise NotFound(f"style {name[:80]!r} has no picture")
    kept = FOR_EVER if address == f"/style-pictures/{digest}/{name}.jpg" else "no-cache"
    return Response(_pictures()[name], media_type="image/jpeg", headers={"Cache-Control": kept})


def picture_address(name: str) -> str | None:
    """Return where the picture of a style is served; None for a style without one."""
    data = _pictures().get(name)
    return None if data is None else f"/style-pictures/{hashlib.sha256(data).hexdigest()[:16]}/{name}.jpg"


@cache
def _pictures() -> dict[str, bytes]:
    """Return all pictures by style: 30 files with 0.3 MB together."""
    return {path.stem: path.read_bytes() for path in (BUILT_IN / "thumbnails").glob("*.jpg")}
