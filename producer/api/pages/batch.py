"""The page of a batch: how far it is, its pictures, and what can be done about both."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field
from sqlalchemy import Connection

from producer.api.access import Asking
from producer.api.batches import steer
from producer.api.gallery import CHOSEN_AT_ONCE, Chosen, retry
from producer.api.job_query import JobQuery
from producer.api.pages.batch_view import pictures_of, progress_of
from producer.api.pages.browser import ForMerchantPages, page
from producer.api.pages.sign_in import local_path
from producer.api.proofs import approve, reject
from producer.kept_feeds import find_feed
from shared.errors import NotFound
from shared.proofs.proofs import Proof, ProofState, proof_of
from shared.queue import batches
from shared.queue.batches import Batch
from shared.queue.job_search import count_held, failures_by_code, held_among, search_jobs
from shared.store import ObjectStore

router = APIRouter(route_class=ForMerchantPages, include_in_schema=False)

PICTURES = 24
Back = Annotated[str, Form(max_length=2000)]
First = Annotated[int, Query(alias="from", ge=1, le=2**31 - 2)]


@router.get("/batches/{batch}", response_class=HTMLResponse)
def show(
    request: Request, asking: Asking, batch: str, wanted: Annotated[JobQuery, Depends()], first: First = 1
) -> Response:
    """Show a batch and a page of its pictures. The filter and the place stand in the address."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
        jobs, after = search_jobs(connection, found, wanted.filter, after=first - 2, limit=PICTURES)
        held = held_among(connection, found.id, jobs[0].ordinal, jobs[-1].ordinal) if jobs else set()
        codes, held_total = failures_by_code(connection, found.id), count_held(connection, found.id)
        proof = _waiting_proof(connection, found)
    query = {name: value for name, value in request.query_params.items() if value and name != "from"}
    return page(
        request,
        "batch.html",
        batch=found,
        progress=progress_of(found),
        pictures=pictures_of(jobs, held),
        wanted=wanted,
        codes=codes,
        held_total=held_total,
        proof=proof,
        styles=sorted(found.style_rows),
        has_feed=_has_feed(asking.session.store, found),
        first=first,
        first_address=f"?{urlencode(query)}#pictures",
        next_address=None if after is None else f"?{urlencode(query | {'from': after + 2})}#pictures",
        here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
    )


@router.get("/batches/{batch}/progress", response_class=HTMLResponse)
def progress(request: Request, asking: Asking, batch: str, seen: str = "") -> Response:
    """Return the part of the page with the figures; have the page loaded again where its buttons no longer fit."""
    with asking.transaction() as connection:
        found = progress_of(batches.find_batch(connection, asking.merchant_id, batch))
    answer = page(request, "batch_progress.html", progress=found)
    if seen != found.signature:
        answer.headers["HX-Refresh"] = "true"
    return answer


@router.post("/batches/{batch}/{action}")
def act(asking: Asking, batch: str, action: Literal["cancel", "pause", "resume", "retry"]) -> Response:
    """Cancel, pause or resume a batch, or retry its failed images."""
    changed = steer(asking, batch, action)
    return RedirectResponse(f"/batches/{changed.batch}", 303)


@router.post("/batches/{batch}/pictures/retry")
def retry_some(
    asking: Asking,
    batch: str,
    ordinals: Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]] | None, Form(max_length=CHOSEN_AT_ONCE)] = None,
    code: Annotated[str, Form(max_length=100)] = "",
    back: Back = "",
) -> Response:
    """Retry the pictures that were ticked, or all that failed with a code."""
    if ordinals or code:
        retry(asking, batch, Chosen(ordinals=[] if code else ordinals or [], code=code or None))
    return RedirectResponse(local_path(back) or f"/batches/{batch}", 303)


@router.post("/batches/{batch}/sample/{verdict}")
def judge_sample(
    asking: Asking, batch: str, verdict: Literal["approve", "reject"], proof: Annotated[int, Form(ge=1, le=2**53)]
) -> Response:
    """Approve the sample of a batch, which then runs, or reject it, which cancels the batch."""
    (approve if verdict == "approve" else reject)(asking, proof)
    return RedirectResponse(f"/batches/{batch}", 303)


def _waiting_proof(connection: Connection, batch: Batch) -> Proof | None:
    proof = proof_of(connection, batch.id)
    return proof if proof is not None and proof.state == ProofState.WAITING else None


def _has_feed(store: ObjectStore, batch: Batch) -> bool:
    if not batch.input_columns:
        return False
    try:
        find_feed(store, batch)
    except NotFound:
        return False
    return True
