"""Decide on renditions that a gate holds back: an approved one may be shown at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from shared.catalog.publishing import publish_approved
from shared.merchants import audit
from shared.quality import reviews
from shared.quality.reviews import ReviewState
from shared.queue.batches import Batch


@dataclass(frozen=True)
class Judgement:
    """Decision on a held rendition, and its reason."""

    state: ReviewState
    who: str
    reason: str


def judge(connection: Connection, batch: Batch, ordinal: int, said: Judgement) -> bool:
    """Approve or reject a waiting image; return whether it is shown now.

    An approved image is shown if its night was published. After a rejection the previous rendition stays. Raises
    NotFound, or Conflict if it was decided already.
    """
    reviews.judge(connection, batch.id, ordinal, said.state, said.who, said.reason)
    shown = 0
    if said.state is ReviewState.APPROVED:
        shown = publish_approved(connection, batch.merchant_id, batch.id, ordinal, said.who)
    what = "reviews approve" if said.state is ReviewState.APPROVED else "reviews reject"
    details = {"batch": batch.id, "ordinal": ordinal, "reason": said.reason}
    audit.record(connection, said.who, what, batch.merchant_id, details)
    return shown > 0
