"""Routes for reviews of renditions that the gate holds back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from producer.api.access import Asking, ForCallers
from producer.api.words import Reason, Words
from shared.catalog.actions import approve_review, reject_review
from shared.quality import reviews
from shared.quality.reviews import ReviewState
from shared.queue import batches

router = APIRouter(prefix="/v1", tags=["reviews"], route_class=ForCallers)

PLACE = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9]{1,9}$"

Ordinal = Annotated[int, Path(ge=0, le=2**31 - 1, description="Number of the image in its batch.")]


class ReviewOut(BaseModel):
    """Image that is or was held back, with its figures; ``renditions`` are below its batch's ``jobs``."""

    batch: UUID
    ordinal: int
    sku: str
    quality: dict[str, float] | None
    state: str
    reason: str | None
    who: str | None
    made_at: datetime
    judged_at: datetime | None


class Reviews(BaseModel):
    """Reviews, oldest batch first; ``after`` is the cursor of the next page, if there is one."""

    reviews: list[ReviewOut]
    after: str | None


class Remark(BaseModel):
    """Optional reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Words = Field("")


class Rejection(BaseModel):
    """Reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Judged(BaseModel):
    """Result of a review. ``shown``: the catalogue shows the rendition now."""

    state: str
    shown: bool


@router.get("/reviews")
def listed(
    asking: Asking,
    state: ReviewState = ReviewState.WAITING,
    batch: Annotated[str | None, Query(description="Only renditions of this batch.")] = None,
    after: Annotated[str | None, Query(pattern=PLACE)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Reviews:
    """List held renditions, oldest batch first, with their figures."""
    with asking.transaction() as connection:
        batch_id = batches.find_batch(connection, asking.merchant_id, batch).id if batch is not None else None
        found = reviews.list_reviews(
            connection, asking.merchant_id, state, batch_id=batch_id, limit=limit, after=_place(after)
        )
    following = f"{found[-1].batch_id}:{found[-1].ordinal}" if len(found) == limit else None
    return Reviews(reviews=list(map(_out, found)), after=following)


@router.post("/reviews/{batch}/{ordinal}/approve")
def approve(asking: Asking, batch: str, ordinal: Ordinal, remark: Remark | None = None) -> Judged:
    """Approve a rendition. If its night was published, it is shown at once."""
    reason = remark.reason if remark else ""
    shown = approve_review(asking.session.engine, asking.actor, batch, ordinal, reason)
    return Judged(state=ReviewState.APPROVED, shown=shown)


@router.post("/reviews/{batch}/{ordinal}/reject")
def reject(asking: Asking, batch: str, ordinal: Ordinal, rejection: Rejection) -> Judged:
    """Reject a rendition. The catalogue keeps showing the previous one."""
    reject_review(asking.session.engine, asking.actor, batch, ordinal, rejection.reason)
    return Judged(state=ReviewState.REJECTED, shown=False)


def _place(cursor: str | None) -> tuple[UUID, int] | None:
    if cursor is None:
        return None
    batch, _, ordinal = cursor.partition(":")
    return UUID(batch), int(ordinal)


def _out(found: reviews.Review) -> ReviewOut:
    return ReviewOut(
        batch=found.batch_id,
        ordinal=found.ordinal,
        sku=found.sku,
        quality=found.quality,
        state=found.state,
        reason=found.reason,
        who=found.who,
        made_at=found.made_at,
        judged_at=found.judged_at,
    )
