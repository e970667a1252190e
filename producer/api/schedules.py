"""Routes for the schedule of a merchant's nights."""

from __future__ import annotations

from datetime import datetime, time

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from producer.api.access import Asking, ForCallers
from shared.catalog import night_actions, schedules
from shared.catalog.schedules import NightRules, Schedule, Timing
from shared.crontab import Crontab
from shared.database import database_time, read_clock
from shared.errors import NotFound
from shared.limits import MOST_IMAGES, MOST_MINUTES

router = APIRouter(prefix="/v1", tags=["schedules"], route_class=ForCallers)

AT = "/schedules/nightly"


class NewSchedule(BaseModel):
    """Schedule and rules of nights. A missing limit means none."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    crontab: str = Field(max_length=128, description="Start of the nights, for example 30 1 * * *.")
    zone: str = Field("UTC", max_length=64, description="Time zone, for example Europe/Berlin.")
    ends_at: str | None = Field(
        None, pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="End of the nights, for example 06:00."
    )
    presets: tuple[str, ...] = Field(NightRules.presets, min_length=1, max_length=8)
    images: int | None = Field(None, ge=1, le=MOST_IMAGES)
    gpu_minutes: float | None = Field(None, gt=0, le=MOST_MINUTES)
    publish: bool = True
    proof_above: int | None = Field(None, ge=0, le=MOST_IMAGES)
    go_on_minutes: float | None = Field(None, gt=0, le=MOST_MINUTES)
    checks: int = Field(NightRules.checks, ge=0, le=schedules.MOST_CHECKS)

    @property
    def timing(self) -> Timing:
        """Return the times of the nights. An impossible crontab raises UsageError when it is used."""
        return Timing(Crontab(self.crontab, self.zone), time.fromisoformat(self.ends_at) if self.ends_at else None)

    @property
    def rules(self) -> NightRules:
        """Return the rules of the nights. Raises UsageError."""
        return NightRules(**self.model_dump(include=set(NightRules.__dataclass_fields__)))


class ScheduleOut(BaseModel):
    """Schedule, with the next slots."""

    crontab: str
    zone: str
    ends_at: str | None
    presets: list[str]
    images: int | None
    gpu_minutes: float | None
    publish: bool
    proof_above: int | None
    go_on_minutes: float | None
    checks: int
    paused: bool
    next: list[datetime]


@router.get(AT)
def show(asking: Asking) -> ScheduleOut:
    """Show the schedule."""
    with asking.transaction() as connection:
        found = schedules.find_schedule(connection, asking.merchant_id)
        now = database_time(connection)
    if found is None:
        raise NotFound("no schedule is set yet: PUT one here")
    return _out(found, now)


@router.put(AT)
def replace(asking: Asking, new: NewSchedule) -> ScheduleOut:
    """Set the schedule with immediate effect. Missed nights are not made up for."""
    now = read_clock(asking.session.engine)
    return _out(night_actions.set_schedule(asking.session.engine, asking.actor, new.timing, new.rules, now), now)


@router.delete(AT, status_code=204)
def remove(asking: Asking) -> None:
    """Remove the schedule."""
    night_actions.remove_schedule(asking.session.engine, asking.actor)


def _out(schedule: Schedule, now: datetime) -> ScheduleOut:
    return ScheduleOut.model_validate(schedule.as_json(now))
