"""Routes that give feeds back with the addresses of renditions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Query
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from producer.api.access import Asking, ForCallers
from producer.kept_feeds import KeptFeed, find_catalog_feed, find_feed
from producer.output.feed_export import FeedExport, FeedOptions, Outputs, Placing, export_catalog_feed, export_feed
from shared.queue import batches

router = APIRouter(prefix="/v1", tags=["feeds"], route_class=ForCallers)


class FeedQuery(BaseModel):
    """How a feed is given back. One of ``base_url`` and ``presigned_hours`` is given."""

    model_config = ConfigDict(extra="forbid")

    base_url: str | None = Field(None, max_length=2048, description="Address under which you serve the renditions.")
    presigned_hours: int | None = Field(
        None, ge=1, le=168, description="Addresses signed by the store instead, which expire after so many hours."
    )
    names: Literal["sku", "source"] = "sku"
    preset: str | None = Field(
        None, max_length=64, description="Preset of the batch whose files the feed names; by default its first."
    )
    pictures: Placing = Field(
        Placing.EACH, description="Replace each picture, only the first of each product, or add renditions beside them."
    )

    @property
    def options(self) -> FeedOptions:
        """Return the options. Raises UsageError."""
        return FeedOptions(self.base_url, self.names, self.pictures, self.presigned_hours, self.preset)


@router.get("/batches/{batch}/feed", response_class=FileResponse)
def batch_feed(
    asking: Asking, batch: str, query: Annotated[FeedQuery, Query()], later: BackgroundTasks
) -> FileResponse:
    """Give the feed of a batch back, in its own format, with the addresses of the pictures that succeeded."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
    feed = find_feed(asking.session.store, found)
    return _answer(feed, later, lambda out: export_feed(asking.session, found, query.options, out))


@router.get("/catalog/feed", response_class=FileResponse)
def catalog_feed(asking: Asking, query: Annotated[FeedQuery, Query()], later: BackgroundTasks) -> FileResponse:
    """Give the feed of the catalogue back, in its own format, with the addresses of what the catalogue shows."""
    feed = find_catalog_feed(asking.session.store, asking.merchant_id)
    return _answer(feed, later, lambda out: export_catalog_feed(asking.session, asking.merchant_id, query.options, out))


def _answer(feed: KeptFeed, later: BackgroundTasks, export: Callable[[Outputs], FeedExport]) -> FileResponse:
    """Write a feed to a disk and send it from there, so that it is whole and takes no memory."""
    folder = tempfile.TemporaryDirectory(prefix="atelier-feed-")
    later.add_task(folder.cleanup)
    path = Path(folder.name) / feed.name
    try:
        export(Outputs(path))
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, media_type="application/octet-stream", filename=feed.name, background=later)
