"""Fair shares: what each merchant has had of a queue, counted in seconds of a slot.

Whoever ends a claim charges its merchant for the seconds since the claim, whatever they were spent on: large images,
a slow host, a death. Chunks that have not ended count with an estimate, or with the seconds so far where these are
more: their pixels times the merchant's ``pace``, which is learnt from the chunks that have ended. So a merchant whose
chunks take ten times as long gets a tenth of the chunks, and not ten times the fleet.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.merchants.usage import THIS_MONTH

HELD = """merchant_id, queue, pixels, EXTRACT(epoch FROM clock_timestamp() - old.claimed_at) AS seconds"""
"""Columns that an UPDATE of chunks returns as ``ended``, for ``CHARGE``. Seconds are NULL where nobody had claimed."""

CHARGE = f"""
    , charged AS (
        UPDATE fair_shares f SET virtual_time = f.virtual_time + ended.seconds,
            pace = 0.7 * f.pace + 0.3 * least(greatest(ended.seconds * 1e6 / greatest(ended.pixels, 1), 0.001), 1000)
        FROM ended WHERE f.merchant_id = ended.merchant_id AND f.queue = ended.queue AND ended.seconds IS NOT NULL
          AND {{only_if}}
        RETURNING f.merchant_id, ended.seconds
    )
    INSERT INTO usage_seconds (merchant_id, month, seconds) SELECT merchant_id, {THIS_MONTH}, seconds FROM charged
    ON CONFLICT (merchant_id, month) DO UPDATE SET seconds = usage_seconds.seconds + excluded.seconds
"""
"""SQL that charges the merchant of one ``ended`` chunk, by which its seconds also count as usage of this month.

Its pace, in seconds per megapixel, is a moving average. Nothing is charged unless the condition ``only_if`` holds.
"""


@dataclass(frozen=True)
class Share:
    """What a merchant has had of a queue, in seconds, with what is in progress. ``is_busy``: something is.

    ``pace`` is how many seconds a megapixel of the merchant's takes.
    """

    queue: str
    merchant_id: int
    time: float
    pace: float
    is_busy: bool


def find_shares(connection: Connection, queues: Collection[str]) -> list[Share]:
    """Return the shares of all merchants in some queues."""
    rows = connection.execute(
        text("""
        SELECT f.queue, f.merchant_id, f.virtual_time + coalesce(sum(greatest(
                   c.pixels / 1e6 * f.pace, EXTRACT(epoch FROM clock_timestamp() - c.claimed_at))), 0) AS time,
               f.pace, count(c.id) > 0 AS is_busy
        FROM fair_shares f LEFT JOIN chunks c
          ON c.queue = f.queue AND c.merchant_id = f.merchant_id AND c.state = 'dispatched'
        WHERE f.queue = ANY(:queues) GROUP BY f.queue, f.merchant_id
        """),
        {"queues": list(queues)},
    )
    return [Share(row.queue, row.merchant_id, float(row.time), row.pace, row.is_busy) for row in rows]


def raise_times(connection: Connection, raised: Sequence[tuple[str, int, float]]) -> None:
    """Add seconds to the shares of (queue, merchant), or create them. In order, as everybody locks them."""
    if not raised:
        return
    queues, merchants, seconds = map(list, zip(*raised, strict=True))
    connection.execute(
        text("""
        INSERT INTO fair_shares (queue, merchant_id, virtual_time)
        SELECT * FROM unnest(CAST(:queues AS text[]), CAST(:merchants AS bigint[]), CAST(:seconds AS float[]))
            AS raised (queue, merchant_id, seconds) ORDER BY merchant_id, queue
        ON CONFLICT (merchant_id, queue) DO UPDATE SET virtual_time = fair_shares.virtual_time + excluded.virtual_time
        """),
        {"queues": queues, "merchants": merchants, "seconds": seconds},
    )


def forget_shares(connection: Connection, gone: Sequence[tuple[str, int]]) -> None:
    """Remove the shares of (queue, merchant)."""
    if gone:
        connection.execute(
            text("DELETE FROM fair_shares WHERE queue = :queue AND merchant_id = :merchant"),
            [{"queue": queue, "merchant": merchant} for queue, merchant in gone],
        )


def lock_shares(connection: Connection, merchants: Collection[int]) -> None:
    """Lock all shares of some merchants, in the order in which everybody locks several."""
    connection.execute(
        text("SELECT FROM fair_shares WHERE merchant_id = ANY(:merchants) ORDER BY merchant_id, queue FOR UPDATE"),
        {"merchants": list(merchants)},
    )
