"""Routes for the pictures that stand behind a merchant's products."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, UploadFile
from pydantic import BaseModel

from producer.api.access import Asking, ForCallers
from producer.background_file import verified_size
from shared.merchants import background_actions
from shared.merchants.backgrounds import list_backgrounds

router = APIRouter(prefix="/v1", tags=["backgrounds"], route_class=ForCallers)


class BackgroundOut(BaseModel):
    """Background picture; looks name it as ``picture:NAME``."""

    name: str
    sha256: str
    width: int
    height: int
    added_at: datetime | None = None


@router.get("/backgrounds")
def listed(asking: Asking) -> list[BackgroundOut]:
    """List the merchant's background pictures."""
    with asking.transaction() as connection:
        return [BackgroundOut(**picture.__dict__) for picture in list_backgrounds(connection, asking.merchant_id)]


@router.put("/backgrounds/{name}")
def add(asking: Asking, name: str, picture: UploadFile) -> BackgroundOut:
    """Add a background picture of up to 4 MiB, or give its name to another one, for looks accepted from now on."""
    session, data = asking.session, picture.file.read()
    size = verified_size(data, max_megapixels=session.settings.max_megapixels)
    added = background_actions.add_background(session.engine, session.store, asking.actor, name, data, size)
    return BackgroundOut(**added.__dict__)


@router.delete("/backgrounds/{name}", status_code=204)
def remove(asking: Asking, name: str) -> None:
    """Remove a background picture. Images that still wait for it will fail."""
    background_actions.remove_background(asking.session.engine, asking.actor, name)
