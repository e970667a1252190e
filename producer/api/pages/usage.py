"""Page of a merchant's usage: what it had in each month, and what its quota leaves."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from producer.api.access import Asking
from producer.api.pages.browser import ForMerchantPages, page
from producer.api.usage import MONTHS
from shared.merchants.quotas import find_quota
from shared.merchants.usage import list_usage

router = APIRouter(route_class=ForMerchantPages, include_in_schema=False)


@router.get("/usage", response_class=HTMLResponse)
def usage(request: Request, asking: Asking) -> Response:
    """Show the months with usage, newest first."""
    with asking.transaction() as connection:
        months = list_usage(connection, asking.merchant_id, limit=MONTHS)
        quota = find_quota(connection, asking.merchant_id)
    money = [month.money(asking.session.settings) for month in months]
    return page(request, "usage.html", quota=quota, months=list(zip(months, money, strict=True)), priced=any(money))
