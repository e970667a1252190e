"""What a batch's page offers to download."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Response

from producer.api.access import Asking
from producer.api.archives import Archived, archive
from producer.api.batches import table
from producer.api.feeds import FeedQuery, batch_feed
from producer.api.pages.browser import ForMerchantPages

router = APIRouter(route_class=ForMerchantPages, include_in_schema=False)


@router.get("/batches/{batch}/archive.zip")
def archive_file(asking: Asking, found: Archived, preset: str = "", style: str = "") -> Response:
    """Give the finished renditions as a ZIP archive."""
    return archive(asking, found, preset or None, style or None)


@router.get("/batches/{batch}/{name}.csv")
def table_file(asking: Asking, batch: str, name: Literal["results", "errors"], later: BackgroundTasks) -> Response:
    """Give results.csv or errors.csv."""
    return table(asking, batch, name, later)


@router.get("/batches/{batch}/feed")
def feed_file(asking: Asking, batch: str, query: Annotated[FeedQuery, Query()], later: BackgroundTasks) -> Response:
    """Give the feed back."""
    return batch_feed(asking, batch, query, later)
