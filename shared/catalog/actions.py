"""Actions on a catalogue: assign looks, publish and revert renditions, review held ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Engine

from shared.catalog import as_of, campaigns, judging, looks, publishing
from shared.catalog.as_of import AsOf
from shared.catalog.judging import Judgement
from shared.catalog.looks import CatalogLook
from shared.catalog.publishing import Which
from shared.database import database_time
from shared.errors import UsageError
from shared.look import Look
from shared.merchants import audit
from shared.merchants.actors import Actor, confined
from shared.quality.reviews import ReviewState
from shared.queue import batches


@dataclass(frozen=True)
class LookScope:
    """Part of a catalogue that a look is for: ``default``, or a category, collection or sku by its name."""

    kind: str
    value: str = ""

    @classmethod
    def parse(cls, text: str) -> LookScope:
        """Parse ``default`` or ``KIND=NAME``."""
        kind, _, value = text.partition("=")
        return cls(kind, value)


@dataclass(frozen=True)
class RevertTarget:
    """What to revert: a sku (or one position), a collection, or what a night's batch has made.

    ``batch`` is an id or its first characters. Raises UsageError unless exactly one is given.
    """

    sku: str | None = None
    position: int | None = None
    collection: str | None = None
    batch: str | None = None

    def __post_init__(self) -> None:
        if sum(name is not None for name in (self.sku, self.collection, self.batch)) != 1:
            raise UsageError("give one of --sku, --collection and --batch")
        if self.position is not None and self.sku is None:
            raise UsageError("--position needs --sku")


def set_look(
    engine: Engine,
    actor: Actor,
    scope: LookScope,
    look: Look,
    *,
    follows_model: bool,
    until: datetime | None = None,
) -> CatalogLook:
    """Assign a look to a part of a catalogue, with ``until`` for a time, after which the earlier one applies again.

    Raises UnknownStyle, or UsageError for an invalid scope or a time that is over.
    """
    with confined(engine, actor) as (connection, merchant):
        replaced = None if until is None else campaigns.replaced_look(connection, merchant, scope.kind, scope.value)
        assigned = looks.set_look(connection, merchant, scope.kind, scope.value, look, follows_model=follows_model)
        if until is not None and replaced is not None:
            assigned = campaigns.set_end(connection, assigned, replaced, until)
        details = {"scope": scope.kind, "look": look.to_json(), "follows_model": follows_model, "until": until}
        audit.record(connection, actor.name, "catalog look set", merchant, details)
        return assigned


def remove_look(engine: Engine, actor: Actor, scope: LookScope) -> None:
    """Remove a look, so that the next wider scope applies. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        looks.remove_look(connection, merchant, scope.kind, scope.value)
        audit.record(connection, actor.name, "catalog look remove", merchant, {"scope": scope.kind})


def publish_night(engine: Engine, actor: Actor, batch: str) -> int:
    """Publish what a night's batch has made; return how many images now show another rendition. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        night = batches.find_batch(connection, merchant, batch)
        moved = publishing.publish(connection, merchant, night.id, actor.name)
        details = {"batch": night.id, "images": moved}
        audit.record(connection, actor.name, "catalog publish", merchant, details)
        return moved


def revert(engine: Engine, actor: Actor, target: RevertTarget) -> int:
    """Show the previous renditions again; return how many images change. Raises NotFound for an unknown batch."""
    with confined(engine, actor) as (connection, merchant):
        night = None if target.batch is None else batches.find_batch(connection, merchant, target.batch).id
        which = Which(target.sku, target.position, target.collection, night)
        moved = publishing.revert(connection, merchant, which, actor.name)
        audit.record(connection, actor.name, "catalog revert", merchant, {"batch": night, "images": moved})
        return moved


def revert_as_of(engine: Engine, actor: Actor, at: datetime, *, dry_run: bool = False) -> AsOf:
    """Show what the whole catalogue showed at a time; with ``dry_run`` only count.

    Raises UsageError for a time that is yet to come.
    """
    with confined(engine, actor) as (connection, merchant):
        if at > database_time(connection):
            raise UsageError(f"{at:%Y-%m-%d %H:%M} UTC is yet to come: give an earlier time")
        if dry_run:
            return as_of.count_as_of(connection, merchant, at)
        changed = as_of.revert_as_of(connection, merchant, at, actor.name)
        audit.record(connection, actor.name, "catalog revert", merchant, {"as_of": at} | asdict(changed))
        return changed


def approve_review(engine: Engine, actor: Actor, batch: str, ordinal: int, reason: str = "") -> bool:
    """Approve an image that a gate holds back; return whether it is shown now.

    Raises NotFound, or Conflict if it was decided already.
    """
    return _judge(engine, actor, batch, ordinal, Judgement(ReviewState.APPROVED, actor.name, reason))


def reject_review(engine: Engine, actor: Actor, batch: str, ordinal: int, reason: str = "") -> None:
    """Reject an image that a gate holds back. The previous rendition stays.

    Raises NotFound, or Conflict if it was decided already.
    """
    _judge(engine, actor, batch, ordinal, Judgement(ReviewState.REJECTED, actor.name, reason))


def _judge(engine: Engine, actor: Actor, batch: str, ordinal: int, judgement: Judgement) -> bool:
    with confined(engine, actor) as (connection, merchant):
        return judging.judge(connection, batches.find_batch(connection, merchant, batch), ordinal, judgement)
