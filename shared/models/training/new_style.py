"""Queue training of a new style. Its pictures are stored at once; it can be used when its vector exists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from shared.database import Lock, lock, transaction
from shared.merchants import audit
from shared.merchants.actors import Actor, owning
from shared.models.styles import Style, add_style, check_style_name, require_free
from shared.models.training.pictures import keep_pictures, put_pictures
from shared.models.training.requests import Depth, RunRequest, RunSpec, Trigger
from shared.models.training.runs import queue_run
from shared.store import ObjectStore


def queue_style(
    engine: Engine, store: ObjectStore, actor: Actor, style: Style, pictures: Sequence[Path], *, steps: int
) -> UUID:
    """Store a style's pictures and queue a run that learns its vector for the champion; return the run's id.

    It is the actor's merchant's own, or public where the actor names none.

    Raises Conflict if the name is taken, UsageError if something is missing; then no style is visible.
    """
    check_style_name(style.name)
    with owning(engine, actor) as (connection, owner):
        require_free(connection, style.name, owner)
    hashes = put_pictures(store, pictures)
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        require_free(connection, style.name, owner)
        keep_pictures(connection, add_style(connection, style, merchant=owner), hashes)
        wanted = RunSpec(Depth.STYLE, (style.name,), steps)
        run = queue_run(
            connection, RunRequest(wanted, Trigger.NEW_STYLE, f"new style {style.name}", actor.name, merchant=owner)
        )
        audit.record(connection, actor.name, "styles add", owner, {"style": style.name, "run": run})
    return run
