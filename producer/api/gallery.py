"""Routes that a gallery of a batch needs: counts, thumbnails, and a retry of chosen images."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from producer.api.access import Asking, ForCallers
from producer.api.batches import BatchOut
from producer.output.summary import as_json
from producer.output.thumbnails import LARGE_PX, MEDIA_TYPE, SMALL_PX, photo_thumbnail, rendition_thumbnail
from shared.errors import NotFound
from shared.queue import actions, batches
from shared.queue.job_search import count_held, failures_by_code
from shared.queue.thumbnail_keys import finished_pictures

router = APIRouter(prefix="/v1", tags=["batches"], route_class=ForCallers)

CHOSEN_AT_ONCE = 1000
SIDES_PX = {"small": SMALL_PX, "large": LARGE_PX}

Ordinal = Annotated[int, Path(ge=0, le=2**31 - 1, description="Number of the image in its batch, from 0.")]
Size = Annotated[Literal["small", "large"], Query(description="320 or 1280 pixels on the long side.")]
Of = Annotated[
    str | None,
    Query(max_length=200, alias="preset", description="The rendition for this preset; without it, the photo."),
]


class Counts(BaseModel):
    """Images of a batch by state, and failed ones by error code. ``held`` wait for review."""

    queued: int
    succeeded: int
    failed: int
    cancelled: int
    held: int
    codes: dict[str, int]


class Chosen(BaseModel):
    """Images to retry: either their numbers, or all that failed with a code."""

    model_config = ConfigDict(extra="forbid")

    ordinals: list[Annotated[int, Field(ge=0, le=2**31 - 1)]] = Field([], max_length=CHOSEN_AT_ONCE)
    code: str | None = Field(None, max_length=100)

    @model_validator(mode="after")
    def _is_one_choice(self) -> Chosen:
        if bool(self.ordinals) == (self.code is not None):
            raise ValueError("give either ordinals or a code")
        return self


class Retried(BaseModel):
    """The batch, and how many of its images are queued again."""

    batch: BatchOut
    images: int
    warnings: list[str]


@router.get("/batches/{batch}/counts")
def counts(asking: Asking, batch: str) -> Counts:
    """Count the images of a batch by state and by error code."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
        codes, held = failures_by_code(connection, found.id), count_held(connection, found.id)
    return Counts(
        queued=found.total - found.done,
        succeeded=found.succeeded,
        failed=found.failed,
        cancelled=found.cancelled,
        held=held,
        codes=dict(codes),
    )


@router.post("/batches/{batch}/jobs/retry")
def retry(asking: Asking, batch: str, chosen: Chosen) -> Retried:
    """Queue chosen failed images again. Those that have not failed, or whose row is invalid, stay as they are."""
    session = asking.session
    done = actions.retry_jobs(
        session.engine, session.broker, asking.actor, batch, ordinals=chosen.ordinals, code=chosen.code
    )
    return Retried(batch=BatchOut(**as_json(done.batch)), images=done.images, warnings=list(done.warnings))


@router.get("/batches/{batch}/jobs/{ordinal}/thumbnail", response_class=Response)
def thumbnail(asking: Asking, batch: str, ordinal: Ordinal, preset: Of = None, size: Size = "small") -> Response:
    """Return a small WebP of a finished image's rendition, or of its photo where the store keeps a copy of that."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
        pictures = finished_pictures(connection, found.id, ordinal)
    picture = next((one for one in pictures if preset in (None, one.preset)), None)
    if picture is None:
        raise NotFound(f"image {ordinal} of batch {found.id} has no such rendition", code="no_thumbnail")
    make = photo_thumbnail if preset is None else rendition_thumbnail
    return Response(
        make(asking.session.store, picture, SIDES_PX[size]),
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "private, max-age=3600"},
    )
