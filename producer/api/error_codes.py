"""Route that explains error codes: what the ``type`` of a problem leads to."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from producer.api.pages.browser import page
from producer.api.problems import PROBLEMS
from shared.errors import NotFound

router = APIRouter(include_in_schema=False)


@cache
def meanings() -> dict[str, str]:
    """Return what each code means, as docs/errors.md has it: `make docs` writes the file."""
    found: dict[str, str] = json.loads(files("producer.pages").joinpath("error_codes.json").read_text())
    return found


@router.get(PROBLEMS + "{code}")
def explain(
    request: Request, code: Annotated[str, Path(max_length=64)], accept: Annotated[str, Header()] = ""
) -> Response:
    """Explain an error code: as a page for browsers, else as JSON. Raises NotFound."""
    meaning = meanings().get(code)
    if meaning is None:
        raise NotFound("there is no such error code")
    if "text/html" in accept:
        return page(request, "error_code.html", code=code, meaning=meaning)
    return JSONResponse({"type": PROBLEMS + code, "code": code, "meaning": meaning}, headers={"Vary": "Accept"})
