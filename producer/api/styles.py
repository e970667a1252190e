"""Route for styles."""

from __future__ import annotations

from fastapi import APIRouter

from producer.api.access import Asking, ForCallers
from shared.models.styles import Style, list_styles
from shared.models.versions import champion

router = APIRouter(prefix="/v1", tags=["styles"], route_class=ForCallers)


@router.get("/styles")
def listed(asking: Asking) -> list[Style]:
    """List the styles that the merchant may use: public ones and own ones."""
    with asking.transaction() as connection:
        return list_styles(connection, asking.merchant_id, champion(connection).trunk_sha256)
