"""Planning a night: its plan, then its batch, all in one transaction.

A planner that dies leaves a night whose lease runs out, and nothing else. One that was too slow for its lease
writes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from shared.catalog.night_batch import add_night_batch
from shared.catalog.night_plan import NightPlan, Window
from shared.catalog.nights import Night, NightState, Planned, close_planning
from shared.database import MAINTENANCE_SECONDS, transaction
from shared.errors import Conflict, InvalidInput, LeaseLost
from shared.merchants.merchants import require_kept
from shared.merchants.quotas import require_within
from shared.proofs.proofs import Reason, require_approval
from shared.queue.estimate import measure_rate
from shared.settings import Settings


def plan_night(engine: Engine, settings: Settings, night: Night, now: datetime) -> None:
    """Plan a leased night and submit its batch; where planning is refused, the night says why.

    Raises LeaseLost, and Unavailable, after which the night is planned by whoever comes next.
    """
    with transaction(engine) as connection:
        rate = measure_rate(connection)
    try:
        with transaction(engine, merchant=night.merchant_id, statement_seconds=MAINTENANCE_SECONDS) as connection:
            plan = NightPlan.make(
                connection, Window(night.merchant_id, night.rules, now, night.ends_at), rate, settings
            )
            close_planning(connection, night, _submit(connection, night, plan, settings, now))
            require_kept(connection, night.merchant_id)
    except LeaseLost:
        raise
    except (InvalidInput, Conflict) as error:
        with transaction(engine, merchant=night.merchant_id) as connection:
            close_planning(
                connection, night, Planned({"warnings": [f"{error} ({error.code})"]}), state=NightState.FAILED
            )


def _submit(connection: Connection, night: Night, plan: NightPlan, settings: Settings, now: datetime) -> Planned:
    """Make the night's batch, which may have to wait for a proof."""
    if not plan.taken.images:
        return Planned(plan.as_json())
    plan = plan.pinned()
    batch = add_night_batch(connection, night, plan, settings)
    require_within(connection, night.merchant_id)
    if plan.proof is not None:
        minutes = night.rules.go_on_minutes
        until = None if minutes is None else now + timedelta(minutes=minutes)
        require_approval(connection, batch, Reason(plan.proof, plan.taken, until), settings, "category")
    return Planned(plan.as_json(), batch.id)
