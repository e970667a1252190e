"""Routes for all merchants' nights: the calendar, past nights, and pauses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from producer.api.access import Admin, AdminAsking, ForAdmins
from producer.api.words import Words
from shared.catalog import night_actions, schedules
from shared.catalog.nights import Night, last_nights
from shared.catalog.schedules import Pause, Schedule
from shared.database import database_time, read_clock
from shared.merchants.actors import Actor
from shared.merchants.merchants import find_merchant

router = APIRouter(prefix="/v1/admin", tags=["nights"], route_class=ForAdmins)

Merchant = Annotated[Words, Path(description="Name of the merchant.")]


class NightOut(BaseModel):
    """Night: how many images were stale and planned, its batch, and whether its sample needs approval."""

    id: int
    slot: datetime
    state: str
    stale: int | None
    images: int | None
    batch: UUID | None
    proof: str


class Date(BaseModel):
    """Schedule of a merchant's nights, the next slots, and the last night."""

    merchant: str
    crontab: str
    zone: str
    ends_at: str | None
    paused: bool
    next: list[datetime]
    last: NightOut | None


class Calendar(BaseModel):
    """Schedules by merchant; ``after`` is the cursor of the next page, if there is one."""

    nights: list[Date]
    after: str | None


@router.get("/calendar")
def calendar(
    asking: AdminAsking,
    after: Annotated[Words, Query()] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Calendar:
    """Show the next nights of all merchants, and the results of the last ones."""
    with asking.transaction() as connection:
        now = database_time(connection)
        found = schedules.list_schedules(connection, after=after, limit=limit)
        last = last_nights(connection, [one.merchant_id for one in found])
    dates = [_date(one, last.get(one.merchant_id), now) for one in found]
    return Calendar(nights=dates, after=found[-1].merchant if len(found) == limit else None)


@router.get("/pauses")
def pauses(asking: AdminAsking) -> list[Pause]:
    """List the pauses; one without merchant pauses all nights."""
    with asking.transaction() as connection:
        return schedules.list_pauses(connection)


@router.put("/pause", status_code=204)
def pause_all(asking: AdminAsking) -> None:
    """Pause all nights. Work in progress waits."""
    night_actions.pause_nights(asking.session.engine, asking.actor)


@router.delete("/pause", status_code=204)
def resume_all(asking: AdminAsking) -> None:
    """Resume all nights, except those of merchants that are paused themselves. Missed ones are not made up for."""
    session = asking.session
    night_actions.resume_nights(session.engine, session.broker, asking.actor, read_clock(session.engine))


@router.put("/merchants/{merchant}/pause", status_code=204)
def pause(asking: AdminAsking, merchant: Merchant) -> None:
    """Pause a merchant's nights. Work in progress waits."""
    night_actions.pause_nights(asking.session.engine, _acting_for(asking, merchant))


@router.delete("/merchants/{merchant}/pause", status_code=204)
def resume(asking: AdminAsking, merchant: Merchant) -> None:
    """Resume a merchant's nights. Missed ones are not made up for."""
    session, actor = asking.session, _acting_for(asking, merchant)
    night_actions.resume_nights(session.engine, session.broker, actor, read_clock(session.engine))


def _acting_for(asking: Admin, merchant: str) -> Actor:
    """Return the admin as the actor for a merchant there is. Raises NotFound."""
    with asking.transaction() as connection:
        return asking.actor.acting_for(find_merchant(connection, merchant))


def _date(schedule: Schedule, last: Night | None, now: datetime) -> Date:
    return Date.model_validate(schedule.as_json(now) | {"last": None if last is None else _night(last)})


def _night(night: Night) -> NightOut:
    plan = night.plan or {}
    return NightOut(
        id=night.id,
        slot=night.slot,
        state=night.state,
        stale=plan.get("stale"),
        images=plan.get("images"),
        batch=night.batch_id,
        proof=night.proof,
    )
