"""The first page of a merchant: its batches."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from producer.api.access import Asking
from producer.api.pages.browser import ForMerchantPages, page
from shared.queue.batches import list_batches

router = APIRouter(route_class=ForMerchantPages, include_in_schema=False)

PAGE = 25


@router.get("/", response_class=HTMLResponse)
def home(request: Request, asking: Asking, before: UUID | None = None) -> Response:
    """Show the batches, newest first."""
    with asking.transaction() as connection:
        found = list_batches(connection, asking.merchant_id, PAGE + 1, before, tries=False)
    more = len(found) > PAGE
    return page(
        request,
        "home.html",
        batches=found[:PAGE],
        before=found[PAGE - 1].id if more else None,
        first=before is None,
    )
