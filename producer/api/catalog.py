"""Routes for the catalogue: what is shown, publish, revert."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from producer.api.access import Asking, ForCallers
from producer.api.words import Words
from shared.catalog import actions, looks, publishing
from shared.catalog.actions import RevertTarget
from shared.catalog.images import CatalogImage, list_images
from shared.catalog.publishing import Publication
from shared.catalog.source_checks import Round, find_round
from shared.database import database_time

router = APIRouter(prefix="/v1", tags=["catalogue"], route_class=ForCallers)


class Images(BaseModel):
    """Images of a catalogue; ``after`` is the cursor of the next page."""

    images: list[CatalogImage]
    after: int | None


class LookOut(BaseModel):
    """Look that is assigned to a scope."""

    scope: str
    value: str
    look: dict[str, Any]
    follows_model: bool
    state: str
    changed_at: datetime
    ends_at: datetime | None


class Revert(BaseModel):
    """What to revert: a sku, a collection or the batch of a night, or the whole catalogue ``as_of`` a time.

    ``dry_run``, with ``as_of``: count, and change nothing.
    """

    model_config = ConfigDict(extra="forbid")

    sku: Words | None = None
    position: int | None = Field(None, ge=0, le=2**31 - 1)
    collection: Words | None = None
    batch: str | None = None
    as_of: AwareDatetime | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _one(self) -> Revert:
        if sum(one is not None for one in (self.sku, self.collection, self.batch, self.as_of)) != 1:
            raise ValueError("give one of sku, collection, batch and as_of")
        if self.dry_run and self.as_of is None:
            raise ValueError("dry_run needs as_of")
        if self.position is not None and self.sku is None:
            raise ValueError("position needs sku")
        return self


class Moved(BaseModel):
    """Number of images that now show another rendition.

    With ``as_of``: ``photos`` of them show their photo again, and ``unknown`` others stay, since what they showed then
    has been pruned.
    """

    moved: int
    photos: int = 0
    unknown: int = 0


@router.get("/catalog/images")
def images(
    asking: Asking,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Images:
    """List the catalogue, with the rendition that is shown of each image."""
    with asking.transaction() as connection:
        found = list_images(connection, asking.merchant_id, after=after, limit=limit)
    return Images(images=found, after=found[-1].id if len(found) == limit else None)


@router.get("/catalog/checks")
def checks(asking: Asking) -> Round:
    """Show the progress of source checks: which web images have changed or disappeared."""
    with asking.transaction() as connection:
        return find_round(connection, asking.merchant_id, database_time(connection))


@router.get("/catalog/history")
def history(asking: Asking, sku: Annotated[Words, Query()]) -> list[Publication]:
    """Show the renditions that were shown of a sku, newest first."""
    with asking.transaction() as connection:
        return publishing.history(connection, asking.merchant_id, sku)


@router.get("/catalog/looks")
def assigned(asking: Asking) -> list[LookOut]:
    """List the assigned looks."""
    with asking.transaction() as connection:
        found = looks.list_looks(connection, asking.merchant_id)
    fields = LookOut.model_fields
    return [
        LookOut(**{name: value for name, value in asdict(one).items() if name in fields} | {"look": one.look.to_json()})
        for one in found
    ]


@router.post("/catalog/publish/{batch}", response_model_exclude_unset=True)
def publish(asking: Asking, batch: str) -> Moved:
    """Publish a night's renditions."""
    return Moved(moved=actions.publish_night(asking.session.engine, asking.actor, batch))


@router.post("/catalog/revert", response_model_exclude_unset=True)
def revert(asking: Asking, what: Revert) -> Moved:
    """Show earlier renditions again."""
    if what.as_of is not None:
        back = actions.revert_as_of(asking.session.engine, asking.actor, what.as_of, dry_run=what.dry_run)
        return Moved(**asdict(back))
    target = RevertTarget(what.sku, what.position, what.collection, what.batch)
    return Moved(moved=actions.revert(asking.session.engine, asking.actor, target))
