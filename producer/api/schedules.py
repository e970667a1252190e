"""The schedule of a merchant's nights over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, time

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from producer.api.access import Asking, ForCallers
from shared.catalog import night_actions, schedules
from shared.catalog.schedules import NightRules, Schedule, Timing
from shared.crontab import Crontab
from shared.errors import NotFound

router = APIRouter(prefix="/v1", tags=["schedules"], route_class=ForCallers)

AT = "/schedules/nightly"
MOST_IMAGES = 10**9
MOST_MINUTES = 10**6


class NewSchedule(BaseModel):
    """When nights begin and end, and by which rules; what is left out has no limit, or never happens."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    crontab: str = Field(max_length=128, description="When nights begin, as in 30 1 * * *.")
    zone: str = Field("UTC", max_length=64, description="The time zone of that, as Europe/Berlin.")
    ends_at: str | None = Field(None, pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="The end, as 06:00.")
    presets: tuple[str, ...] = Field(NightRules.presets, min_length=1, max_length=8)
    images: int | None = Field(None, ge=1, le=MOST_IMAGES)
    gpu_minutes: float | None = Field(None, gt=0, le=MOST_MINUTES)
    publish: bool = True
    proof_above: int | None = Field(None, ge=0, le=MOST_IMAGES)
    go_on_minutes: float | None = Field(None, gt=0, le=MOST_MINUTES)
    checks: int = Field(NightRules.checks, ge=0, le=schedules.MOST_CHECKS)

    @property
    def timing(self) -> Timing:
        """When nights are. Raises UsageError later, where it is used, on what never fires."""
        return Timing(Crontab(self.crontab, self.zone), time.fromisoformat(self.ends_at) if self.ends_at else None)

    @property
    def rules(self) -> NightRules:
        """How they are to be. Raises UsageError."""
        return NightRules(**self.model_dump(include=set(NightRules.__dataclass_fields__)))


class ScheduleOut(BaseModel):
    """A schedule, with the slots to come."""

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
    """Show when nights are."""
    with asking.transaction() as connection:
        found = schedules.find_schedule(connection, asking.merchant_id)
    if found is None:
        raise NotFound("no schedule is set yet: PUT one here")
    return _out(found, datetime.now(UTC))


@router.put(AT)
def replace(asking: Asking, new: NewSchedule) -> ScheduleOut:
    """Set when nights are; effective at once. What is over is not caught up."""
    now = datetime.now(UTC)
    return _out(night_actions.set_schedule(asking.session.engine, asking.actor, new.timing, new.rules, now), now)


@router.delete(AT, status_code=204)
def remove(asking: Asking) -> None:
    """Let no more nights begin by themselves."""
    night_actions.remove_schedule(asking.session.engine, asking.actor)


def _out(schedule: Schedule, now: datetime) -> ScheduleOut:
    return ScheduleOut.model_validate(schedule.as_json(now))
