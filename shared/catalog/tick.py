"""Do everything that is due by time. Beat sends it, any worker does it, and doing it twice or late is harmless.

Each step is a transaction of its own and takes the time from the caller, so that tests can simulate nights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from shared.broker import Broker
from shared.catalog.campaigns import end_looks
from shared.catalog.nights import Night, adopt_proofs, give_up, lease_night, open_slots, unsettled_nights
from shared.catalog.planning import plan_night
from shared.catalog.publishing import settle
from shared.database import MAINTENANCE_SECONDS, transaction
from shared.errors import DatabaseUnavailable, LeaseLost, StatementTimeout
from shared.proofs.proofs import approve_overdue
from shared.queue import batches, chunks
from shared.queue.dispatch import dispatch_or_warn
from shared.settings import Settings

TICK_SECONDS = 30.0
"""Time between two ticks of beat."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Ticked:
    """Result of a tick."""

    settled: int = 0
    begun: int = 0
    planned: int = 0


def tick(engine: Engine, broker: Broker, settings: Settings, now: datetime) -> Ticked:
    """End windows, settle ended nights, end looks, approve overdue proofs, begin nights and plan them.

    In this order, so that the rest of one night, and the looks that apply, are known before the next is planned.
    """
    with transaction(engine) as connection:
        unsettled = unsettled_nights(connection)
    settled = end_nights(engine, unsettled, now)
    end_looks(engine, now)
    with transaction(engine) as connection:
        adopt_proofs(connection)
    approved = approve_overdue(engine, now)
    with transaction(engine) as connection:
        begun = open_slots(connection, now)
        give_up(connection, now)
    planned = plan_waiting(engine, settings, now)
    if planned or approved:
        dispatch_or_warn(engine, broker)
    return Ticked(settled, begun, planned)


def end_nights(engine: Engine, nights: Sequence[Night], now: datetime) -> int:
    """End those of these nights that can be ended; return how many.

    One that fails is tried again by the next tick, and delays neither the others nor the following steps.
    """
    ended = 0
    for night in nights:
        try:
            ended += end_night(engine, night, now)
        except (DatabaseUnavailable, DBAPIError) as error:
            log.warning("night_not_settled", night=night.id, merchant=night.merchant_id, error=str(error))
    return ended


def end_night(engine: Engine, night: Night, now: datetime) -> bool:
    """Cancel remaining work when the window is over, and settle a night whose batch has ended; return whether it has.

    Chunks in progress are finished, and the batch ends with them.
    """
    assert night.batch_id is not None
    with transaction(engine, merchant=night.merchant_id, statement_seconds=MAINTENANCE_SECONDS) as connection:
        if night.ends_at is not None and night.ends_at <= now:
            chunks.cancel_unleased(connection, night.batch_id)
        if batches.get_batch(connection, night.batch_id).finished_at is None:
            return False
        settle(connection, night, now)
        return True


def plan_waiting(engine: Engine, settings: Settings, now: datetime, only: int | None = None) -> int:
    """Plan the nights that wait for it, or only one; return how many."""
    planned = 0
    while True:
        with transaction(engine) as connection:
            night = lease_night(connection, only)
        if night is None:
            return planned
        try:
            plan_night(engine, settings, night, now)
            planned += 1
        except LeaseLost as error:
            log.warning("night_planned_elsewhere", night=night.id, error=str(error))
        except StatementTimeout as error:  # of this night: the next one may be planned
            log.warning("night_not_planned", night=night.id, merchant=night.merchant_id, error=str(error))
