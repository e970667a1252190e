"""Usage: what a merchant has had in a month, kept as counters by whoever ends a job.

Each image counts once, in the transaction that ends its job: as ``styled`` if a rendition of it is new, as ``reused``
if all of them existed. So a job that is done twice after a crash counts once, two rows that name the same photo in
the same look count as one styled and one reused image, and failures cost nothing. Months are those of UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection, text

from shared.errors import UsageError
from shared.settings import Settings

THIS_MONTH = "CAST(date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') AS date)"
"""SQL of the first day of the current month."""

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Ended:
    """Images that one transaction ends, and the bytes of their new renditions."""

    styled: int = 0
    reused: int = 0
    failed: int = 0
    bytes_stored: int = 0


@dataclass(frozen=True)
class Usage:
    """What a merchant has had in the month that begins with ``month``.

    ``seconds`` are seconds of a worker's slot, from taking work to giving it back; ``bytes_stored`` those of
    renditions that were made in the month, whether or not they still exist.
    """

    merchant: str
    month: date
    styled: int
    reused: int
    failed: int
    seconds: float
    bytes_stored: int

    def money(self, settings: Settings) -> Decimal | None:
        """Return the amount at the prices of the settings, to the cent; None where there are none."""
        prices = [settings.image_price, settings.reused_image_price, settings.gpu_hour_price]
        if not any(prices):
            return None
        styled, reused, hour = (Decimal(str(price)) for price in prices)
        amount = self.styled * styled + self.reused * reused + Decimal(str(self.seconds)) / 3600 * hour
        return amount.quantize(CENT)


def count(connection: Connection, merchant: int, ended: Ended) -> None:
    """Add to the counters of a merchant's current month. Locks them, so do this after the batch has been changed."""
    if ended == Ended():
        return
    connection.execute(
        text(f"""
        INSERT INTO usage (merchant_id, month, styled, reused, failed, bytes_stored)
        VALUES (:merchant, {THIS_MONTH}, :styled, :reused, :failed, :bytes_stored)
        ON CONFLICT (merchant_id, month) DO UPDATE SET styled = usage.styled + excluded.styled,
            reused = usage.reused + excluded.reused, failed = usage.failed + excluded.failed,
            bytes_stored = usage.bytes_stored + excluded.bytes_stored
        """),
        {"merchant": merchant} | asdict(ended),
    )


def list_usage(
    connection: Connection, merchant: int | None = None, month: date | None = None, limit: int = 1000
) -> Sequence[Usage]:
    """Return months with usage, newest first: of one merchant or of all, one month or all."""
    rows = connection.execute(
        text("""
        SELECT m.name AS merchant, month, coalesce(u.styled, 0) AS styled, coalesce(u.reused, 0) AS reused,
               coalesce(u.failed, 0) AS failed, coalesce(s.seconds, 0) AS seconds,
               coalesce(u.bytes_stored, 0) AS bytes_stored
        FROM usage u FULL JOIN usage_seconds s USING (merchant_id, month) JOIN merchants m ON m.id = merchant_id
        WHERE (CAST(:merchant AS bigint) IS NULL OR merchant_id = :merchant)
          AND (CAST(:month AS date) IS NULL OR month = :month)
        ORDER BY month DESC, m.name LIMIT :limit
        """),
        {"merchant": merchant, "month": month, "limit": limit},
    )
    return [Usage(**row._asdict()) for row in rows]


def parse_month(written: str) -> date:
    """Return the first day of a month written as ``2026-11``. Raises UsageError."""
    try:
        if len(written) != len("2026-11"):
            raise ValueError
        return date.fromisoformat(f"{written}-01")
    except ValueError:
        raise UsageError(f"month {written!r}: write it as 2026-11", code="bad_month") from None
