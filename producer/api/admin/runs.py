"""Routes for training runs and their schedules."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from producer.api.access import Admin, AdminAsking, ForAdmins
from producer.api.words import IdempotencyKey, Reason, Words
from shared.crontab import Crontab
from shared.database import read_clock
from shared.models.training import actions, schedules
from shared.models.training.actions import Queued
from shared.models.training.requests import MOST_PHOTOS, MOST_STEPS, Depth, RunSpec
from shared.models.training.runs import TrainingRun, find_run, list_runs
from shared.models.training.schedules import TrainingSchedule

router = APIRouter(prefix="/v1/admin", tags=["training"], route_class=ForAdmins)

RunId = Annotated[str, Path(pattern="^[0-9a-fA-F-]{1,36}$", description="Id of the run, or its first characters.")]
Trigger = Literal["schedule", "drift"]
FieldName = Annotated[str, StringConstraints(pattern="^[a-z0-9_]{1,64}$")]
Setting = bool | int | float | Words | list[int | float | Words] | None


class NewTraining(BaseModel):
    """What a run trains. Without ``styles`` it trains all public styles that the champion knows."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    train: Depth = Field(Depth.DECODER, description="What to train; style trains style vectors only.")
    styles: list[Words] = Field([], max_length=1000)
    steps: int = Field(RunSpec.steps, ge=1, le=MOST_STEPS)
    photos: int = Field(RunSpec.photos, ge=1, le=MOST_PHOTOS, description="Largest number of photos.")
    config: dict[FieldName, Setting] = Field({}, max_length=100, description="Fields of the training config to change.")
    rule: Words = Field(
        RunSpec.rule, description="Rule that promotes the candidate: never, if-better, or if-no-style-regresses-by X%."
    )
    canary_share: float = Field(
        RunSpec.canary, ge=0, lt=1, description="Share of new batches that the candidate gets first; 0 for none."
    )

    @property
    def wanted(self) -> RunSpec:
        """Return the specification of the run. Raises UsageError."""
        how = (self.steps, self.photos, self.config, self.rule, self.canary_share)
        return RunSpec(self.train, tuple(self.styles), *how)


class NewRun(NewTraining):
    """Run from the champion, on catalogues of consenting merchants."""

    reason: Reason


class NewSchedule(NewTraining):
    """Schedule of runs. With the trigger ``drift`` they train only if the photos have drifted."""

    crontab: str = Field(max_length=128, description="Start of the runs, for example 0 3 * * 0.")
    zone: str = Field("UTC", max_length=64, description="Time zone, for example Europe/Berlin.")


class RunOut(BaseModel):
    """Training run; each entry of ``curve`` is a validation.

    After the verdict its ``rule`` promotes the candidate, or makes it a canary with ``canary_share`` first.
    """

    id: UUID
    merchant_id: int | None
    trigger: str
    reason: str
    who: str
    state: str
    depth: str
    styles: list[str]
    start_trunk_sha256: str
    data_sha256: str | None
    step: int
    steps: int
    curve: list[dict[str, float | None]]
    candidate_id: int | None
    rule: str
    canary_share: float | None
    verdict_id: int | None
    code: str | None
    message: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Runs(BaseModel):
    """Runs, newest first; ``before`` is the cursor of the next page, if there is one."""

    runs: list[RunOut]
    before: UUID | None


class ScheduleOut(BaseModel):
    """Schedule of runs, with the next slots."""

    trigger: str
    crontab: str
    zone: str
    train: str
    styles: list[str]
    steps: int
    photos: int
    config: dict[str, Any]
    rule: str
    canary_share: float
    next: list[datetime]


@router.get("/runs")
def listed(asking: AdminAsking, before: UUID | None = None, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Runs:
    """List training runs, newest first."""
    with asking.transaction() as connection:
        found = list_runs(connection, limit, before)
    return Runs(runs=list(map(_out, found)), before=found[-1].id if len(found) == limit else None)


@router.get("/runs/{run}")
def show(asking: AdminAsking, run: RunId) -> RunOut:
    """Show a training run: its progress, curve and result."""
    with asking.transaction() as connection:
        return _out(find_run(connection, run))


@router.post("/runs", status_code=201)
def create(asking: AdminAsking, new: NewRun, response: Response, key: IdempotencyKey = None) -> RunOut:
    """Queue a training run. A repeated request with the same Idempotency-Key returns the same run (200)."""
    queued = queue(asking, new, key)
    response.headers["Location"] = f"/v1/admin/runs/{queued.run.id}"
    if not queued.is_new:
        response.status_code = 200
    return _out(queued.run)


def queue(asking: Admin, new: NewRun, key: str | None) -> Queued:
    """Queue a run unless there is one by that name."""
    session = asking.session
    return actions.queue_training(session.engine, session.broker, asking.actor, new.wanted, new.reason, key=key)


@router.post("/runs/{run}/cancel")
def cancel(asking: AdminAsking, run: RunId) -> RunOut:
    """Cancel a training run. Its trainer stops at the next step."""
    return _out(actions.cancel_training(asking.session.engine, asking.actor, run))


@router.get("/training-schedules")
def scheduled(asking: AdminAsking) -> list[ScheduleOut]:
    """List the schedules of training runs, with the next slots."""
    now = read_clock(asking.session.engine)
    with asking.transaction() as connection:
        return [_schedule(one, now) for one in schedules.list_schedules(connection)]


@router.put("/training-schedules/{trigger}")
def schedule(asking: AdminAsking, trigger: Trigger, new: NewSchedule) -> ScheduleOut:
    """Set the schedule of a trigger. There may be one for every slot, and one for drift."""
    now, crontab = read_clock(asking.session.engine), Crontab(new.crontab, new.zone)
    engine, actor = asking.session.engine, asking.actor
    return _schedule(actions.set_training_schedule(engine, actor, trigger, crontab, new.wanted, now), now)


@router.delete("/training-schedules/{trigger}", status_code=204)
def unschedule(asking: AdminAsking, trigger: Trigger) -> None:
    """Remove the schedule of a trigger."""
    actions.remove_training_schedule(asking.session.engine, asking.actor, trigger)


def _out(run: TrainingRun) -> RunOut:
    known = {one.name for one in fields(run)} & RunOut.model_fields.keys()
    return RunOut.model_validate({name: getattr(run, name) for name in known} | {"styles": list(run.styles)})


def _schedule(found: TrainingSchedule, now: datetime) -> ScheduleOut:
    wanted = found.wanted
    more = {"photos": wanted.photos, "config": dict(wanted.overrides), "canary_share": wanted.canary}
    return ScheduleOut.model_validate(found.as_json(now) | more)
