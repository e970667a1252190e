"""Reviews: renditions that a gate holds back until somebody decides."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.errors import Conflict, NotFound
from shared.quality.gate import LIMITS, Gate
from shared.recordset import int_array

# Whether the rendition ``r`` is beyond a limit. A limit that is not set, or a figure that is missing, gives NULL.
BEYOND = " OR ".join(
    f"(r.quality ->> '{limit.figure}')::float {'>' if limit.is_upper else '<'} CAST(:{name} AS float)"
    for name, limit in LIMITS.items()
)


class ReviewState(StrEnum):
    """What has become of an image that a gate holds back."""

    WAITING = "waiting"
    """Nobody has looked at it yet."""
    APPROVED = "approved"
    """It may be shown."""
    REJECTED = "rejected"
    """It is not shown; what was shown before stays."""


@dataclass(frozen=True)
class Review:
    """An image that is or was held back. ``source`` is its photo's address, ``object_key`` its rendition."""

    batch_id: UUID
    ordinal: int
    sku: str
    source: str
    object_key: str | None
    quality: dict[str, Any] | None
    state: ReviewState
    reason: str | None
    who: str | None
    made_at: datetime
    judged_at: datetime | None


def hold_back(connection: Connection, batch_id: UUID, merchant: int, gate: Gate, ordinals: Collection[int]) -> int:
    """Hold back those finished images of a batch whose renditions exceed the limits; return how many.

    It examines the stored figures, so that a reused rendition is held back as well.
    """
    inserted = connection.execute(
        text(f"""
        INSERT INTO reviews (batch_id, ordinal, merchant_id)
        SELECT DISTINCT l.batch_id, l.ordinal, CAST(:merchant AS bigint)
        FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
        WHERE l.batch_id = :batch AND l.ordinal = ANY(CAST(:ordinals AS int[]))
          AND ({BEYOND})
        ON CONFLICT (batch_id, ordinal) DO NOTHING
        """),
        {
            "batch": batch_id,
            "merchant": merchant,
            "ordinals": int_array(ordinals),
            **{name: getattr(gate, name) for name in LIMITS},
        },
    )
    return inserted.rowcount


def judge(connection: Connection, batch_id: UUID, ordinal: int, state: ReviewState, who: str, reason: str) -> None:
    """Approve or reject an image that waits for review. Raises NotFound, or Conflict if it was decided already."""
    updated = connection.execute(
        text("""
        UPDATE reviews SET state = :state, who = :who, reason = :reason, judged_at = clock_timestamp()
        WHERE batch_id = :batch AND ordinal = :ordinal AND state = 'waiting'
        """),
        {"batch": batch_id, "ordinal": ordinal, "state": state, "who": who, "reason": reason},
    )
    if updated.rowcount:
        return
    known = connection.execute(
        text("SELECT state FROM reviews WHERE batch_id = :batch AND ordinal = :ordinal"),
        {"batch": batch_id, "ordinal": ordinal},
    ).scalar_one_or_none()
    if known is None:
        raise NotFound(
            f"image {ordinal} of batch {batch_id} is not held back: `atelier reviews list` lists those that are"
        )
    raise Conflict(f"image {ordinal} of batch {batch_id} is already {known}")


def list_reviews(
    connection: Connection,
    merchant: int,
    state: ReviewState,
    *,
    batch_id: UUID | None = None,
    limit: int = 100,
    after: tuple[UUID, int] | None = None,
) -> list[Review]:
    """Return a merchant's reviews in a state, oldest batch first, those ``after`` a batch and ordinal."""
    after_batch, after_ordinal = after or (None, None)
    rows = connection.execute(
        text("""
        SELECT v.batch_id, v.ordinal, j.sku, j.source, r.object_key, r.quality, v.state, v.reason, v.who, v.made_at,
               v.judged_at
        FROM reviews v JOIN jobs j ON j.batch_id = v.batch_id AND j.ordinal = v.ordinal
        LEFT JOIN LATERAL (
            SELECT r.object_key, r.quality FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
            WHERE l.batch_id = v.batch_id AND l.ordinal = v.ordinal ORDER BY l.preset LIMIT 1
        ) r ON true
        WHERE v.merchant_id = :merchant AND v.state = :state AND (CAST(:batch AS uuid) IS NULL OR v.batch_id = :batch)
          AND (CAST(:after_batch AS uuid) IS NULL
               OR (v.batch_id, v.ordinal) > (CAST(:after_batch AS uuid), CAST(:after_ordinal AS integer)))
        ORDER BY v.batch_id, v.ordinal LIMIT :limit
        """),
        {
            "merchant": merchant,
            "state": state,
            "batch": batch_id,
            "limit": limit,
            "after_batch": after_batch,
            "after_ordinal": after_ordinal,
        },
    )
    return [Review(**row._asdict() | {"state": ReviewState(row.state)}) for row in rows]
