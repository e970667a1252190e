"""Actions on training: queue and cancel runs, schedule them, store pictures, record consent.

All raise NotAllowed for a merchant's key, besides the errors that each function names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Engine

from shared.broker import Broker
from shared.crontab import Crontab
from shared.errors import BrokerUnavailable
from shared.merchants import audit, merchants
from shared.merchants.actors import Actor, administering, unconfined
from shared.models.promotion.verdicts import forget_sheets
from shared.models.training import runs, schedules
from shared.models.training.photos import withdraw
from shared.models.training.pictures import find_pictures, keep_pictures, put_pictures, styles_with_pictures
from shared.models.training.requests import RunRequest, RunSpec, Trigger
from shared.models.training.runs import TrainingRun
from shared.models.training.schedules import TrainingSchedule
from shared.models.training.tick import publish_due
from shared.models.versions import champion
from shared.store import ObjectStore

log = structlog.get_logger()


@dataclass(frozen=True)
class Queued:
    """Queued run, whether it is new, and warnings for the caller."""

    run: TrainingRun
    is_new: bool
    warnings: tuple[str, ...] = ()


def queue_training(
    engine: Engine, broker: Broker, actor: Actor, wanted: RunSpec, reason: str, *, key: str | None = None
) -> Queued:
    """Queue a run from the champion and notify trainers. A repeated request with the same ``key`` is the same run.

    Raises UsageError if it cannot be trained, and Conflict if the key belongs to another request.
    """
    order = RunRequest(wanted, Trigger.ADMIN, reason, actor.name, idempotency_key=key)
    with administering(engine, actor) as connection:
        run, is_new = runs.queue_once(connection, order)
        if not is_new:
            return Queued(run, is_new=False)
        details = {"run": run.id, "reason": reason, "train": wanted.depth}
        audit.record(connection, actor.name, "retrain", None, details)
    return Queued(run, is_new=True, warnings=_publish_or_warn(engine, broker, run))


def cancel_training(engine: Engine, actor: Actor, run: str) -> TrainingRun:
    """Cancel a run, given by its id or its first characters. Raises NotFound, or Conflict if it is over."""
    with administering(engine, actor) as connection:
        known = runs.find_run(connection, run)
        runs.cancel_run(connection, known.id, f"cancelled by {actor.name}")
        audit.record(connection, actor.name, "runs cancel", known.merchant_id, {"run": known.id})
        return runs.get_run(connection, known.id)


def set_training_schedule(
    engine: Engine, actor: Actor, trigger: str, crontab: Crontab, wanted: RunSpec, now: datetime
) -> TrainingSchedule:
    """Schedule runs: one schedule for every slot, one for drift. Raises UsageError."""
    with administering(engine, actor) as connection:
        schedule = schedules.set_schedule(connection, trigger, crontab, wanted, now)
        audit.record(connection, actor.name, "runs schedule", None, schedule.as_json(now))
        return schedule


def remove_training_schedule(engine: Engine, actor: Actor, trigger: str) -> None:
    """Remove the schedule of a trigger. Raises NotFound."""
    with administering(engine, actor) as connection:
        schedules.remove_schedule(connection, trigger)
        audit.record(connection, actor.name, "runs unschedule", None, {"trigger": trigger})


def keep_style_pictures(engine: Engine, store: ObjectStore, actor: Actor, folder: Path) -> Sequence[str]:
    """Store the pictures in a folder for the public styles that they are named after; return those styles.

    Raises UsageError if there is none.
    """
    with administering(engine, actor) as connection:
        known = styles_with_pictures(connection, None, champion(connection).trunk_sha256)
    hashes = {name: put_pictures(store, paths) for name, paths in find_pictures(folder, list(known)).items()}
    with administering(engine, actor) as connection:
        for name, pictures in hashes.items():
            keep_pictures(connection, known[name].id, pictures)
        audit.record(connection, actor.name, "styles pictures", None, {"styles": list(hashes)})
    return list(hashes)


def set_consent(engine: Engine, store: ObjectStore, actor: Actor, *, consents: bool) -> int:
    """Record whether shared models may be trained on a merchant's catalogue; return how many runs that ended.

    Without consent, runs that learn from its photos end, and contact sheets that show them are deleted.
    """
    actor.require_admin()
    stopped, sheets = 0, list[str]()
    with unconfined(engine, actor) as (connection, merchant):
        merchants.set_consent(connection, merchant, consents=consents)
        if not consents:
            stopped, sheets = withdraw(connection, merchant), forget_sheets(connection, merchant)
        audit.record(connection, actor.name, "merchants consent", merchant, {"training": consents})
    for key in sheets:
        store.delete(key)
    return stopped


def _publish_or_warn(engine: Engine, broker: Broker, run: TrainingRun) -> tuple[str, ...]:
    """Notify trainers of a run. If Redis is down a trainer finds it later."""
    try:
        publish_due(engine, broker)
    except BrokerUnavailable as error:
        log.warning("run_not_published", run=str(run.id), error=str(error))
        return (f"{error}; the run is queued and begins when Redis answers again",)
    return ()
