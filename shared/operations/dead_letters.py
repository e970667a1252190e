"""Dead letters: failed images that no retry is planned for, over all batches and merchants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.errors import NotFound

MOST_GROUPS = 2**31 - 1


@dataclass(frozen=True)
class Filter:
    """Select dead letters. An empty or None field selects any.

    ``before`` selects batches accepted before that time; ``below`` batches older than that one.
    """

    merchant: int | None = None
    batch: UUID | None = None
    codes: tuple[str, ...] = ()
    before: datetime | None = None
    below: UUID | None = None


@dataclass(frozen=True)
class FailureGroup:
    """Failed images of one batch with one error code."""

    merchant: str
    merchant_id: int
    batch: UUID
    name: str
    code: str
    images: int
    retryable: int


def failure_groups(connection: Connection, wanted: Filter, least: int = MOST_GROUPS) -> list[FailureGroup]:
    """Count dead letters by batch and code, newest batch first. Failures of cancelled batches do not count.

    Stops after the batch that completes ``least`` groups, so that a page ends between batches.
    """
    rows = connection.execute(
        text("""
        SELECT * FROM (SELECT m.name AS merchant, b.merchant_id, b.id AS batch, b.name, f.code, f.images, f.retryable
        FROM batches b JOIN merchants m ON m.id = b.merchant_id CROSS JOIN LATERAL (
            SELECT j.code, count(*) AS images, count(*) FILTER (WHERE j.retryable) AS retryable FROM jobs j
            WHERE j.batch_id = b.id AND j.state = 'failed'
              AND (cardinality(CAST(:codes AS text[])) = 0 OR j.code = ANY(:codes))
            GROUP BY j.code
        ) f
        WHERE b.failed > 0 AND b.state <> 'cancelled'
          AND (CAST(:merchant AS bigint) IS NULL OR b.merchant_id = :merchant)
          AND (CAST(:batch AS uuid) IS NULL OR b.id = :batch)
          AND (CAST(:before AS timestamptz) IS NULL OR b.created_at < :before)
          AND (CAST(:below AS uuid) IS NULL OR b.id < :below)
        ORDER BY b.id DESC FETCH FIRST :least ROWS WITH TIES) page
        ORDER BY batch DESC, images DESC, code
        """),
        {
            "merchant": wanted.merchant,
            "batch": wanted.batch,
            "codes": list(wanted.codes),
            "before": wanted.before,
            "below": wanted.below,
            "least": least,
        },
    )
    return [FailureGroup(**row._asdict()) for row in rows]


def failed_image(connection: Connection, batch_id: UUID, ordinal: int) -> dict[str, Any]:
    """Return all that is known of a failed image. Raises NotFound."""
    row = connection.execute(
        text("""
        SELECT batch_id, ordinal, line, sku, image, source, output, look, input, code, message, retryable, attempts,
               deaths
        FROM jobs WHERE batch_id = :batch AND ordinal = :ordinal AND state = 'failed'
        """),
        {"batch": batch_id, "ordinal": ordinal},
    ).one_or_none()
    if row is None:
        raise NotFound(f"no failed image {ordinal} in batch {batch_id}: `atelier failures` lists them")
    return row._asdict()
