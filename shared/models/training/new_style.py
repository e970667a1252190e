"""A new style for trainers to learn: known by its pictures at once, to be used when its row is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from shared.database import Lock, lock, transaction
from shared.merchants import audit
from shared.merchants.scope import styles_scope
from shared.models.styles import Style, add_style, check_style_name, require_free
from shared.models.training.pictures import keep_pictures, put_pictures
from shared.models.training.runs import Depth, Order, Trigger, Wanted, queue_run
from shared.store import ObjectStore


def queue_style(
    engine: Engine, store: ObjectStore, style: Style, pictures: Sequence[Path], merchant: str | None, *, steps: int
) -> UUID:
    """Keep a style's pictures and queue a run that learns its row for the champion; return the run's id.

    Raises Conflict if the name is taken, UsageError for what is missing; then nobody sees anything.
    """
    check_style_name(style.name)
    with styles_scope(engine, merchant) as (connection, owner):
        require_free(connection, style.name, owner)
    hashes = put_pictures(store, pictures)
    who = audit.operator()
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        require_free(connection, style.name, owner)
        keep_pictures(connection, add_style(connection, style, merchant=owner), hashes)
        wanted = Wanted(Depth.STYLE, (style.name,), steps)
        run = queue_run(connection, Order(wanted, Trigger.NEW_STYLE, f"new style {style.name}", who, merchant=owner))
        audit.record(connection, who, "styles add", owner, {"style": style.name, "run": run})
    return run
