"""Quotas: how many images a merchant may have styled in a month.

Beyond the soft limit a submission warns; one that would exceed the hard limit is refused before anything of it is
accepted. What counts are the images styled this month and those of running batches that have not ended: they come to
nothing if they fail, are cancelled or turn out to be reused, so what is left may grow again.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.errors import Conflict, UsageError
from shared.merchants.usage import THIS_MONTH

MOST_IMAGES = 2**31 - 1


class QuotaExceeded(Conflict):
    """A batch would exceed the merchant's hard limit for the month."""

    code = "quota_exceeded"


@dataclass(frozen=True)
class Quota:
    """Limits of a merchant in images a month, None where there is none, and what counts against them.

    ``styled`` images were made this month; ``pending`` ones are accepted and have not ended.
    """

    soft_limit: int | None
    hard_limit: int | None
    styled: int
    pending: int

    @property
    def left(self) -> int | None:
        """Return how many images may still be accepted this month; None without a hard limit."""
        return None if self.hard_limit is None else max(0, self.hard_limit - self.styled - self.pending)

    def warning(self, more: int = 0) -> str | None:
        """Return what to tell a merchant that is, or with ``more`` images would be, beyond the soft limit."""
        counted = self.styled + self.pending + more
        if self.soft_limit is None or counted <= self.soft_limit:
            return None
        return (
            f"{counted} images of this month are styled or waiting, more than the soft limit of {self.soft_limit}"
            + ("" if self.hard_limit is None else f"; at {self.hard_limit} batches are refused")
        )


def find_quota(connection: Connection, merchant: int) -> Quota:
    """Return a merchant's limits and what counts against them.

    Reads the month's counters and the merchant's running batches, however many have ended.
    """
    row = connection.execute(
        text(f"""
        SELECT m.soft_limit, m.hard_limit,
               coalesce((SELECT styled FROM usage WHERE merchant_id = m.id AND month = {THIS_MONTH}), 0) AS styled,
               (SELECT coalesce(sum(CASE intake WHEN 'receiving' THEN greatest(planned, total) ELSE total END
                                    - succeeded - failed - cancelled), 0)
                FROM batches b
                WHERE b.merchant_id = m.id AND b.state = 'running'
                  AND b.queue IN ('preview', 'bulk', 'nightly')) AS pending
        FROM merchants m WHERE m.id = :merchant
        """),
        {"merchant": merchant},
    ).one()
    return Quota(row.soft_limit, row.hard_limit, row.styled, int(row.pending))


def require_within(connection: Connection, merchant: int) -> None:
    """Raise QuotaExceeded where what this transaction has added exceeds the merchant's hard limit.

    Two submissions at once are checked one after the other: the lock lasts until the transaction ends. Call it last.
    """
    if not has_hard_limit(connection, merchant):
        return
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtext('quotas'), :merchant)"), {"merchant": merchant % 2**31}
    )
    quota = find_quota(connection, merchant)
    if quota.hard_limit is not None and quota.styled + quota.pending > quota.hard_limit:
        counted = quota.styled + quota.pending
        raise QuotaExceeded(
            f"with this batch {counted} images of this month would be styled or waiting, {counted - quota.hard_limit} "
            f"more than the limit of {quota.hard_limit}: send fewer images, wait for the next month, or ask the "
            "operator to raise it (`atelier merchants quota`)"
        )


def has_hard_limit(connection: Connection, merchant: int) -> bool:
    """Return whether a merchant has a hard limit, so that batches are counted before they are accepted."""
    found = connection.execute(text("SELECT hard_limit FROM merchants WHERE id = :id"), {"id": merchant})
    return found.scalar_one() is not None


def set_limits(connection: Connection, merchant: int, soft: int | None, hard: int | None) -> None:
    """Set both limits, in images a month; None is no limit. Raises UsageError for impossible ones."""
    for limit in (soft, hard):
        if limit is not None and not 0 <= limit <= MOST_IMAGES:
            raise UsageError(f"a limit is a number of images from 0 to {MOST_IMAGES}, not {limit}", code="bad_limit")
    if soft is not None and hard is not None and soft > hard:
        raise UsageError(
            f"the soft limit, {soft}, is above the hard limit, {hard}: it would warn of nothing", code="bad_limit"
        )
    connection.execute(
        text("UPDATE merchants SET soft_limit = :soft, hard_limit = :hard WHERE id = :id"),
        {"id": merchant, "soft": soft, "hard": hard},
    )
