"""Actions on background pictures: add one, remove one."""

from __future__ import annotations

import hashlib

from sqlalchemy import Engine

from shared.merchants import audit, backgrounds
from shared.merchants.actors import Actor, confined
from shared.merchants.backgrounds import BackgroundPicture, background_key
from shared.merchants.merchants import require_kept
from shared.store import ObjectStore


def add_background(
    engine: Engine, store: ObjectStore, actor: Actor, name: str, data: bytes, size: tuple[int, int]
) -> BackgroundPicture:
    """Store a verified picture of ``size`` = (width, height) as a background of the actor's merchant.

    An earlier picture of that name stays with the looks that have it. Raises UsageError for a bad name.
    """
    backgrounds.require_name(name)
    picture = BackgroundPicture(name, hashlib.sha256(data).hexdigest(), *size)
    with confined(engine, actor) as (_, merchant):
        pass  # the merchant's id, without a connection held while the object is put
    store.put(background_key(merchant, picture.sha256), data)
    with confined(engine, actor) as (connection, merchant):
        backgrounds.put_background(connection, merchant, picture)
        require_kept(connection, merchant)
        details = {"background": name, "sha256": picture.sha256}
        audit.record(connection, actor.name, "backgrounds add", merchant, details)
    return picture


def remove_background(engine: Engine, actor: Actor, name: str) -> None:
    """Remove a picture from the actor's merchant. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        backgrounds.remove_background(connection, merchant, name)
        audit.record(connection, actor.name, "backgrounds remove", merchant, {"background": name})
