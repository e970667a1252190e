"""Routes of the page for admins, which works without a script."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from producer.api.access import Admin, AdminAsking
from producer.api.admin import models, nights, runs
from producer.api.admin.browser import ForBrowsers, page
from producer.api.admin.models import VerdictId, Version
from producer.api.admin.nights import Merchant
from producer.api.admin.runs import RunId
from producer.api.words import KEY, Reason, Words
from producer.pages.admin.page import admin_page, live_parts, note_page
from producer.pages.admin.view import Live, View
from shared.catalog import schedules
from shared.catalog.nights import last_nights
from shared.database import database_time
from shared.models.promotion.canaries import running_canary
from shared.models.promotion.history import history
from shared.models.promotion.overview import list_versions, show_version
from shared.models.training.requests import MOST_PHOTOS, MOST_STEPS, Depth, RunSpec
from shared.models.training.runs import list_runs
from shared.models.training.schedules import list_schedules
from shared.models.versions import VersionState, champion
from shared.operations.backlog import queues
from shared.operations.dead_letters import Filter, failure_groups
from shared.queue.fleet import list_workers

router = APIRouter(prefix="/admin", route_class=ForBrowsers, include_in_schema=False)

VERSIONS, ENTRIES, RUNS, MERCHANTS, FAILED = 20, 20, 10, 100, 10
"""Numbers of entries on the page, the newest; the API has all."""


class NewRun(BaseModel):
    """Form of a training run. ``key`` identifies it, so that a form sent twice queues one run."""

    key: str = Field(pattern=KEY)
    reason: Reason
    train: Depth = Depth.DECODER
    styles: Words = ""
    steps: int = Field(RunSpec.steps, ge=1, le=MOST_STEPS)
    photos: int = Field(RunSpec.photos, ge=1, le=MOST_PHOTOS)
    rule: Words = RunSpec.rule
    canary_share: float = Field(RunSpec.canary, ge=0, lt=1, allow_inf_nan=False)


@router.get("", response_class=HTMLResponse)
def show(asking: AdminAsking) -> HTMLResponse:
    """Show models, training and nights, with forms to change them."""
    return page(admin_page(_view(asking)))


@router.get("/live", response_class=HTMLResponse)
def live(asking: AdminAsking) -> HTMLResponse:
    """Return the parts that the page's script refreshes."""
    with asking.transaction() as connection:
        found = Live(workers=list_workers(connection), queues=queues(connection), runs=list_runs(connection, RUNS))
    return page(live_parts(found))


@router.get("/verdicts/{verdict}/sheet", response_class=Response)
def sheet(asking: AdminAsking, verdict: VerdictId) -> Response:
    """Return a verdict's contact sheet."""
    return models.sheet(asking, verdict)


@router.post("/models/rollback")
def roll_back(asking: AdminAsking, body: Annotated[models.Rollback, Form()]) -> Response:
    """Make the previous champion the champion again."""
    return _moved(models.roll_back(asking, body).lost_styles)


@router.post("/models/{version}/promote")
def promote(asking: AdminAsking, version: Version, body: Annotated[models.NewChampion, Form()]) -> Response:
    """Make a version the champion or a canary, or end its canary."""
    return _moved(models.promote_version(asking, version, body).lost_styles)


@router.post("/models/{version}/retire")
def retire(asking: AdminAsking, version: Version, why: Annotated[models.Why, Form()]) -> Response:
    """Retire a candidate."""
    models.withdraw(asking, version, why)
    return _back("models")


@router.post("/runs")
def retrain(asking: AdminAsking, new: Annotated[NewRun, Form()]) -> Response:
    """Queue a training run."""
    styles = [name.strip() for name in new.styles.split(",") if name.strip()]
    body = runs.NewRun(**new.model_dump(exclude={"key", "styles"}), styles=styles)
    runs.queue(asking, body, new.key)
    return _back("training")


@router.post("/runs/{run}/cancel")
def cancel(asking: AdminAsking, run: RunId) -> Response:
    """Cancel a training run."""
    runs.cancel(asking, run)
    return _back("training")


@router.post("/pause")
def pause_all(asking: AdminAsking) -> Response:
    """Pause all nights."""
    nights.pause_all(asking)
    return _back("nights")


@router.post("/resume")
def resume_all(asking: AdminAsking) -> Response:
    """Resume all nights."""
    nights.resume_all(asking)
    return _back("nights")


@router.post("/merchants/{merchant}/pause")
def pause(asking: AdminAsking, merchant: Merchant) -> Response:
    """Pause a merchant's nights."""
    nights.pause(asking, merchant)
    return _back("nights")


@router.post("/merchants/{merchant}/resume")
def resume(asking: AdminAsking, merchant: Merchant) -> Response:
    """Resume a merchant's nights."""
    nights.resume(asking, merchant)
    return _back("nights")


def _view(asking: Admin) -> View:
    with asking.transaction() as connection:
        dates = schedules.list_schedules(connection, limit=MERCHANTS)
        versions = list_versions(connection, limit=VERSIONS)
        canary = running_canary(connection)
        used = {champion(connection).id} | {one.id for one in versions if one.state != VersionState.RETIRED}
        used |= {canary.version_id} if canary else set()  # the page must show the canary, however old it is, to end it
        return View(
            now=database_time(connection),
            who=asking.who,
            workers=list_workers(connection),
            queues=queues(connection),
            failed=failure_groups(connection, Filter(), FAILED)[:FAILED],
            models=[show_version(connection, version) for version in sorted(used, reverse=True)],
            retired=[one for one in versions if one.state == VersionState.RETIRED],
            history=history(connection)[: -ENTRIES - 1 : -1],
            runs=list_runs(connection, RUNS),
            training=list_schedules(connection),
            schedules=dates,
            last=last_nights(connection, [one.merchant_id for one in dates]),
            pauses=schedules.list_pauses(connection),
            token=token_urlsafe(12),
        )


def _back(part: str) -> Response:
    """Redirect the browser to the page, so that a reload changes nothing."""
    return RedirectResponse(f"/admin#{part}", 303)


def _moved(lost_styles: list[str]) -> Response:
    if not lost_styles:
        return _back("models")
    told = f"The champion lacks these styles, which cannot be used now: {', '.join(lost_styles)}."
    return page(note_page("Promoted, with lost styles", [told]))
