"""The page of one picture, its files, and the decision where it waits for review."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from producer.api.access import Asking
from producer.api.gallery import Of, Ordinal, Size, thumbnail
from producer.api.pages.batch_view import pictures_of
from producer.api.pages.browser import ForMerchantPages, page
from producer.api.pages.sign_in import local_path
from producer.api.renditions import rendition
from producer.api.words import Words
from shared.catalog.actions import approve_review, reject_review
from shared.errors import NotFound
from shared.queue import batches
from shared.queue.job_search import held_among
from shared.queue.jobs import results_between

router = APIRouter(route_class=ForMerchantPages, include_in_schema=False)


@router.get("/batches/{batch}/pictures/{ordinal}", response_class=HTMLResponse)
def show(request: Request, asking: Asking, batch: str, ordinal: Ordinal) -> Response:
    """Show a picture before and after, and links to its neighbours."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
        jobs = results_between(connection, found.id, ordinal, ordinal)
        held = held_among(connection, found.id, ordinal, ordinal)
    if not jobs:
        raise NotFound(f"batch {found.id} has no image {ordinal + 1}: it has {found.total}")
    (picture,) = pictures_of(jobs, held)
    return page(request, "picture.html", batch=found, picture=picture, last=ordinal + 1 >= found.total)


@router.get("/batches/{batch}/pictures/{ordinal}/thumbnail")
def small(asking: Asking, batch: str, ordinal: Ordinal, preset: Of = None, size: Size = "small") -> Response:
    """Return a thumbnail, as the API does."""
    return thumbnail(asking, batch, ordinal, preset, size)


@router.get("/batches/{batch}/pictures/{ordinal}/file")
def file(asking: Asking, batch: str, ordinal: Ordinal, preset: str) -> Response:
    """Return the file of a rendition, to be saved."""
    found = rendition(asking, batch, ordinal, preset)
    found.headers.setdefault("Content-Disposition", "attachment")
    return found


@router.post("/batches/{batch}/pictures/{ordinal}/{verdict}")
def judge(
    asking: Asking,
    batch: str,
    ordinal: Ordinal,
    verdict: Literal["approve", "reject"],
    reason: Annotated[Words, Form()] = "",
    back: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Approve or reject a picture that waits for review."""
    if verdict == "approve":
        approve_review(asking.session.engine, asking.actor, batch, ordinal, reason)
    else:
        reject_review(asking.session.engine, asking.actor, batch, ordinal, reason)
    return RedirectResponse(local_path(back) or f"/batches/{batch}/pictures/{ordinal}", 303)
