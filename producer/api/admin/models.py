"""Routes for model versions: list, show, promote, roll back, retire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from producer.api.access import AdminAsking, ForAdmins
from producer.api.words import MOST, Reason
from shared.errors import NotFound
from shared.models.promotion import actions
from shared.models.promotion.canaries import Canary
from shared.models.promotion.history import Promotion
from shared.models.promotion.overview import Overview, list_versions, show_version
from shared.models.promotion.promotions import Promoted
from shared.models.promotion.verdicts import verdict_of

router = APIRouter(prefix="/v1/admin", tags=["models"], route_class=ForAdmins)

Version = Annotated[int, Path(ge=1, le=MOST, description="Number of the model version.")]
VerdictId = Annotated[int, Path(ge=1, le=MOST, description="Number of the verdict.")]


class Versions(BaseModel):
    """Model versions, newest first; ``before`` is the cursor of the next page, if there is one."""

    models: list[Overview]
    before: int | None


class VerdictOut(BaseModel):
    """Comparison of a candidate with a champion, by style; ``sheet`` is the path of the contact sheet in this API."""

    id: int
    champion_id: int
    made_by: str
    made_at: datetime
    sheet: str | None
    figures: dict[str, Any]


class VersionOut(BaseModel):
    """Everything that is known of a version."""

    id: int
    state: str
    trunk_sha256: str
    created_at: datetime
    public_styles: int
    own_styles: int
    canary_share: float | None
    running_batches: int
    history: list[Promotion]
    canary: Canary | None
    verdicts: list[VerdictOut]
    provenance: dict[str, Any] | None


class Why(BaseModel):
    """Reason, for the history and the audit log."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class NewChampion(Why):
    """Promotion. With ``canary_share`` the version only gets that share of new batches; 0 ends its canary."""

    canary_share: float | None = Field(None, ge=0, lt=1, allow_inf_nan=False)
    without_own_styles: bool = Field(False, description="Promote it although it lacks merchants' own styles.")


class Rollback(Why):
    """Rollback from ``champion``, so that a repeated request goes back only once: another champion gives 409."""

    champion: int = Field(ge=1, le=MOST)


class PromotedVersion(VersionOut):
    """The version now, and the styles that can no longer be used, own ones as merchant/style."""

    lost_styles: list[str]


class Moved(BaseModel):
    """The new and the previous champion, and the styles that can no longer be used, own ones as merchant/style."""

    champion: int
    previous: int
    lost_styles: list[str]


@router.get("/models")
def listed(
    asking: AdminAsking,
    before: Annotated[int | None, Query(ge=1, le=MOST)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Versions:
    """List model versions, newest first."""
    with asking.transaction() as connection:
        found = list_versions(connection, before=before, limit=limit)
    return Versions(models=found, before=found[-1].id if len(found) == limit else None)


@router.get("/models/{version}")
def show(asking: AdminAsking, version: Version) -> VersionOut:
    """Show a version: its styles, history, verdicts and canary."""
    with asking.transaction() as connection:
        found = show_version(connection, version)
    return VersionOut.model_validate(found | {"verdicts": [_verdict(one) for one in found["verdicts"]]})


@router.get("/verdicts/{verdict}/sheet", response_class=Response)
def sheet(asking: AdminAsking, verdict: VerdictId) -> Response:
    """Return a verdict's contact sheet, a PNG: each style by the champion (1) and by the candidate (2)."""
    with asking.transaction() as connection:
        key = verdict_of(connection, verdict).sheet_key
    if key is None:
        raise NotFound(f"verdict {verdict} has no contact sheet")
    return Response(asking.session.store.get(key), media_type="image/png")


@router.post("/models/rollback")
def roll_back(asking: AdminAsking, body: Rollback) -> Moved:
    """Make the previous champion the champion again, for new batches."""
    session = asking.session
    return _moved(actions.roll_back(session.engine, session.store, asking.actor, body.reason, leaving=body.champion))


@router.post("/models/{version}/promote")
def promote_version(asking: AdminAsking, version: Version, body: NewChampion) -> PromotedVersion:
    """Make a version the champion, or a canary. Running batches keep their version."""
    engine, store, actor = asking.session.engine, asking.session.store, asking.actor
    lost: list[str] = []
    if body.canary_share is None:
        lost += actions.promote_version(
            engine, store, actor, version, body.reason, without_own_styles=body.without_own_styles
        ).lost_styles
    else:
        actions.set_canary(engine, store, actor, version, body.canary_share, body.reason)
    return PromotedVersion(**show(asking, version).model_dump(), lost_styles=lost)


@router.post("/models/{version}/retire")
def withdraw(asking: AdminAsking, version: Version, why: Why) -> VersionOut:
    """Retire a candidate. Batches that are pinned to it can still use it."""
    actions.retire_version(asking.session.engine, asking.actor, version, why.reason)
    return show(asking, version)


def _moved(done: Promoted) -> Moved:
    return Moved(champion=done.version_id, previous=done.previous_id, lost_styles=list(done.lost_styles))


def _verdict(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, "sheet": f"/v1/admin/verdicts/{found['id']}/sheet" if found["sheet_key"] else None}
