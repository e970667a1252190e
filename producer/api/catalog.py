"""The catalogue over HTTP: what is shown, and back to what was shown before."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from producer.api.access import Asking, ForCallers
from producer.api.words import Words
from shared.catalog import actions, looks, publishing
from shared.catalog.actions import Target
from shared.catalog.images import CatalogImage, list_images
from shared.catalog.publishing import Publication
from shared.catalog.source_checks import Round, find_round

router = APIRouter(prefix="/v1", tags=["catalogue"], route_class=ForCallers)


class Images(BaseModel):
    """A page of a catalogue; ``after`` is the cursor of the next one."""

    images: list[CatalogImage]
    after: int | None


class LookOut(BaseModel):
    """A look that is assigned to something."""

    scope: str
    value: str
    look: dict[str, Any]
    follows_model: bool
    state: str
    changed_at: datetime


class Revert(BaseModel):
    """What to show again as before: one of a sku, a collection or the batch of a night."""

    model_config = ConfigDict(extra="forbid")

    sku: Words | None = None
    position: int | None = Field(None, ge=0, le=2**31 - 1)
    collection: Words | None = None
    batch: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Revert:
        if sum(one is not None for one in (self.sku, self.collection, self.batch)) != 1:
            raise ValueError("name one of sku, collection, batch")
        if self.position is not None and self.sku is None:
            raise ValueError("position goes with sku")
        return self


class Moved(BaseModel):
    """How many images show another rendition now."""

    moved: int


@router.get("/catalog/images")
def images(
    asking: Asking,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Images:
    """List a page of the catalogue, with what is shown of each image."""
    with asking.transaction() as connection:
        found = list_images(connection, asking.merchant_id, after=after, limit=limit)
    return Images(images=found, after=found[-1].id if len(found) == limit else None)


@router.get("/catalog/checks")
def checks(asking: Asking) -> Round:
    """Say how far hosts have been asked whether their pictures are others now."""
    with asking.transaction() as connection:
        return find_round(connection, asking.merchant_id, datetime.now(UTC))


@router.get("/catalog/history")
def history(asking: Asking, sku: Annotated[Words, Query()]) -> list[Publication]:
    """Show what was shown of a sku, newest first."""
    with asking.transaction() as connection:
        return publishing.history(connection, asking.merchant_id, sku)


@router.get("/catalog/looks")
def assigned(asking: Asking) -> list[LookOut]:
    """List the looks that are assigned."""
    with asking.transaction() as connection:
        found = looks.list_looks(connection, asking.merchant_id)
    fields = LookOut.model_fields
    return [
        LookOut(**{name: value for name, value in asdict(one).items() if name in fields} | {"look": one.look.to_json()})
        for one in found
    ]


@router.post("/catalog/publish/{batch}")
def publish(asking: Asking, batch: str) -> Moved:
    """Show what a night has made."""
    return Moved(moved=actions.publish_night(asking.session.engine, asking.actor, batch))


@router.post("/catalog/revert")
def revert(asking: Asking, what: Revert) -> Moved:
    """Show again what was shown before, at once."""
    target = Target(what.sku, what.position, what.collection, what.batch)
    return Moved(moved=actions.revert(asking.session.engine, asking.actor, target))
