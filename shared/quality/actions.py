"""Actions on the quality gate: set or remove its limits. For reviews see ``shared.catalog.actions``."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from shared.merchants import audit
from shared.merchants.actors import Actor, unconfined
from shared.quality import gate
from shared.quality.gate import Gate


def set_gate(engine: Engine, actor: Actor, new: Gate) -> None:
    """Set a merchant's limits for renditions, for batches that begin from now on."""
    with unconfined(engine, actor) as (connection, merchant):
        _change(connection, actor, merchant, new)


def remove_gate(engine: Engine, actor: Actor) -> None:
    """Remove a merchant's limits, for batches that begin from now on."""
    with unconfined(engine, actor) as (connection, merchant):
        _change(connection, actor, merchant, None)


def _change(connection: Connection, actor: Actor, merchant: int, new: Gate | None) -> None:
    gate.set_gate(connection, merchant, new)
    details = {"gate": None if new is None else new.json}
    audit.record(connection, actor.name, "gate off" if new is None else "gate set", merchant, details)
