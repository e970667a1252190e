"""Actions on nights: set or remove a schedule, pause and resume nights, begin one now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from shared.broker import Broker
from shared.catalog import nights, schedules
from shared.catalog.night_plan import NightPlan, Window
from shared.catalog.nights import Night
from shared.catalog.schedules import NightRules, Schedule, Timing
from shared.catalog.tick import plan_waiting
from shared.database import transaction
from shared.merchants import audit
from shared.merchants.actors import Actor, administering, confined
from shared.queue.dispatch import dispatch_or_warn
from shared.queue.estimate import measure_rate
from shared.settings import Settings


def set_schedule(engine: Engine, actor: Actor, timing: Timing, rules: NightRules, now: datetime) -> Schedule:
    """Set the schedule and rules of a merchant's nights. Raises UsageError, see ``schedules.set_schedule``."""
    with confined(engine, actor) as (connection, merchant):
        schedule = schedules.set_schedule(connection, merchant, timing, rules, now)
        audit.record(connection, actor.name, "schedules set", merchant, schedule.as_json(now))
        return schedule


def remove_schedule(engine: Engine, actor: Actor) -> None:
    """Remove a merchant's schedule. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        schedules.remove_schedule(connection, merchant)
        audit.record(connection, actor.name, "schedules remove", merchant, {})


def pause_nights(engine: Engine, actor: Actor) -> None:
    """Pause a merchant's nights, or all: none is planned, and running ones wait.

    Raises NotAllowed if a merchant's key asks for all.
    """
    with _merchant_or_all(engine, actor) as (connection, merchant):
        schedules.pause(connection, merchant, actor.name)
        audit.record(connection, actor.name, "schedules pause", merchant, {})


def resume_nights(engine: Engine, broker: Broker, actor: Actor, now: datetime) -> tuple[str, ...]:
    """Resume a merchant's nights, or all, and dispatch; return warnings.

    Raises NotAllowed if a merchant's key asks for all.
    """
    with _merchant_or_all(engine, actor) as (connection, merchant):
        schedules.resume(connection, merchant, now)
        audit.record(connection, actor.name, "schedules resume", merchant, {})
    return dispatch_or_warn(engine, broker)


def rehearse_night(engine: Engine, settings: Settings, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return what a merchant's night would do now, by the rules of its schedule, as plain data; change nothing."""
    with transaction(engine) as connection:
        rate = measure_rate(connection)
    with confined(engine, actor) as (connection, merchant):
        schedule = schedules.find_schedule(connection, merchant)
        rules = schedule.rules if schedule else NightRules()
        return NightPlan.make(connection, Window(merchant, rules, now), rate, settings).as_json()


def begin_night(engine: Engine, settings: Settings, actor: Actor, now: datetime) -> Night:
    """Plan a merchant's night now, by the rules of its schedule. The caller dispatches when all are planned."""
    with confined(engine, actor) as (connection, merchant):
        schedule = schedules.find_schedule(connection, merchant)
        night_id = nights.begin_now(connection, merchant, schedule.rules if schedule else NightRules(), now)
        audit.record(connection, actor.name, "nightly", merchant, {"night": night_id})
    plan_waiting(engine, settings, now, only=night_id)
    with confined(engine, actor) as (connection, merchant):
        return nights.get_night(connection, merchant, night_id)


@contextmanager
def _merchant_or_all(engine: Engine, actor: Actor) -> Iterator[tuple[Connection, int | None]]:
    """Open a transaction over the actor's merchant, or over all (None). Raises NotAllowed."""
    if actor.merchant is None:
        with administering(engine, actor) as connection:
            yield connection, None
    else:
        with confined(engine, actor) as opened:
            yield opened
