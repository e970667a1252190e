"""Stylesheet and scripts of the pages: plain files, at addresses that change with their content."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from shared.errors import NotFound

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


def address(name: str) -> str:
    """Return where a file is served, as ``/static/0f…/pages.css``; browsers may keep what is there for ever."""
    return f"/static/{_digest(name)}/{name}"


@cache
def content(name: str) -> bytes:
    """Return a file of the folder ``static``. Raises NotFound."""
    known = {one.name: one for one in files("producer.pages").joinpath("static").iterdir()}
    if name not in known or media_type(name) is None:
        raise NotFound(f"no file {name!r}")
    return known[name].read_bytes()


def media_type(name: str) -> str | None:
    """Return the media type of a file that is served; None for others, as licences."""
    return TYPES.get(name.rpartition(".")[2])


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(content(name)).hexdigest()[:16]
