"""Route for usage: what the merchant had in each month, and what its quota leaves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from producer.api.access import Asking, ForCallers
from shared.merchants.quotas import find_quota
from shared.merchants.usage import list_usage, parse_month

router = APIRouter(prefix="/v1", tags=["usage"], route_class=ForCallers)

MONTHS = 120


class Month(BaseModel):
    """Images that ended in a month (UTC).

    Each counts once: as ``styled`` where a rendition of it is new, as ``reused`` where all existed; failed ones cost
    nothing. ``seconds`` are those of a worker's slot. ``money`` is null where the installation has no prices.
    """

    month: str
    styled: int
    reused: int
    failed: int
    seconds: float
    bytes_stored: int
    money: str | None


class QuotaOut(BaseModel):
    """Limits in images a month, null where there is none. ``pending`` images are accepted and have not ended."""

    soft_limit: int | None
    hard_limit: int | None
    styled: int
    pending: int
    left: int | None


class UsageOut(BaseModel):
    """Months with usage, newest first, and the quota."""

    months: list[Month]
    quota: QuotaOut


@router.get("/usage")
def usage(
    asking: Asking,
    month: Annotated[str | None, Query(max_length=16, description="Only this month, as in 2026-11.")] = None,
) -> UsageOut:
    """Show what the merchant had in each month, and what its quota leaves."""
    wanted = None if month is None else parse_month(month)
    with asking.transaction() as connection:
        months = list_usage(connection, asking.merchant_id, wanted, MONTHS)
        quota = find_quota(connection, asking.merchant_id)
    return UsageOut(
        months=[
            Month(
                month=f"{one.month:%Y-%m}",
                styled=one.styled,
                reused=one.reused,
                failed=one.failed,
                seconds=round(one.seconds, 1),
                bytes_stored=one.bytes_stored,
                money=None if (money := one.money(asking.session.settings)) is None else str(money),
            )
            for one in months
        ],
        quota=QuotaOut(
            soft_limit=quota.soft_limit,
            hard_limit=quota.hard_limit,
            styled=quota.styled,
            pending=quota.pending,
            left=quota.left,
        ),
    )
