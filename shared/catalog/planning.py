"""Planning a night: what is stale, what of it fits, what that takes; then the batch, all in one transaction.

A planner that dies leaves a night whose lease runs out, and nothing else. One that was too slow for its lease
writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, text

from shared.catalog.budget import most_images, seconds_between
from shared.catalog.night_batch import add_night_batch
from shared.catalog.nights import Night, NightState, Planned, close_planning
from shared.catalog.schedules import NightRules
from shared.catalog.stale import Painting, Stale, find_stale
from shared.database import Lock, lock, transaction
from shared.errors import Conflict, InvalidInput, LeaseLost
from shared.look import Look
from shared.merchants.merchants import require_kept
from shared.models.promotion.canaries import Pin, choose_pin, default_pin
from shared.proofs.proofs import Reason, require_approval
from shared.proofs.sample import PROOF_IMAGES
from shared.queue.estimate import Estimate, Rate, estimate, measure_rate
from shared.settings import Settings


@dataclass(frozen=True)
class Window:
    """What a plan is for: whose catalogue, by which rules, from when to when."""

    merchant_id: int
    rules: NightRules
    now: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """What a night would do. ``left`` images do not fit and go first next night; ``proof`` says why one is needed."""

    stale: Stale
    taken: Estimate
    left: int
    painting: Painting
    warnings: Sequence[str]
    proof: str | None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data, as printed and kept on the night."""
        return {
            "stale": self.stale.total,
            "by_reason": dict(self.stale.by_reason),
            "left_for_next_night": self.left,
            "proof": self.proof,
            "model_version": self.painting.version.id,
            "warnings": list(self.warnings),
        } | asdict(self.taken)


def make_plan(connection: Connection, window: Window, rate: Rate, settings: Settings) -> Plan:
    """Plan without changing anything but temporary tables: ``planned`` has what is taken, by ordinal.

    Call once in a transaction. Holds the merchant's catalogue against imports and other planners until it ends.
    """
    lock(connection, Lock.CATALOG, window.merchant_id)
    pin = default_pin(connection, window.merchant_id)
    painting = Painting(pin.version, pin.style_rows, window.rules.presets)
    stale = find_stale(connection, window.merchant_id, painting)
    most, warnings = most_images(window.rules, rate, settings, seconds_between(window.now, window.ends_at))
    connection.execute(
        text("""
        CREATE TEMPORARY TABLE planned ON COMMIT DROP AS
        SELECT row_number() OVER (ORDER BY since, image_id) - 1 AS ordinal, *
        FROM (SELECT * FROM stale ORDER BY since, image_id LIMIT :most) taken
        """),
        {"most": most},
    )
    connection.execute(text("ANALYZE planned"))
    taken = int(connection.execute(text("SELECT count(*) FROM planned")).scalar_one())
    return Plan(
        stale=stale,
        taken=estimate(taken, rate, settings),
        left=stale.total - taken,
        painting=painting,
        warnings=(*stale.warnings, *warnings),
        proof=_why_proof(taken, window.rules, stale),
    )


def _why_proof(images: int, rules: NightRules, stale: Stale) -> str | None:
    """Say why a night is proved first, or None. A budget makes nothing small of which more is to come."""
    if stale.total <= PROOF_IMAGES:
        return None
    if stale.new_looks:
        return f"{stale.new_looks[0]} is new"
    if rules.proof_above is not None and images > rules.proof_above:
        return f"there are more than {rules.proof_above} images"
    return None


def plan_night(engine: Engine, settings: Settings, night: Night, now: datetime) -> None:
    """Plan a leased night and submit its batch; where planning is refused, the night says why.

    Raises LeaseLost, and Unavailable, after which the night is planned by whoever comes next.
    """
    with transaction(engine) as connection:
        rate = measure_rate(connection)
    try:
        with transaction(engine, merchant=night.merchant_id) as connection:
            plan = make_plan(connection, Window(night.merchant_id, night.rules, now, night.ends_at), rate, settings)
            close_planning(connection, night, _submit(connection, night, plan, settings, now))
            require_kept(connection, night.merchant_id)
    except LeaseLost:
        raise
    except (InvalidInput, Conflict) as error:
        with transaction(engine, merchant=night.merchant_id) as connection:
            close_planning(
                connection, night, Planned({"warnings": [f"{error} ({error.code})"]}), state=NightState.FAILED
            )


def _submit(connection: Connection, night: Night, plan: Plan, settings: Settings, now: datetime) -> Planned:
    """Make the night's batch, which may have to wait for a proof."""
    if not plan.taken.images:
        return Planned(plan.as_json())
    plan = replace(plan, painting=_painting(connection, night.merchant_id, plan.painting))
    batch = add_night_batch(connection, night, plan.painting, settings)
    connection.execute(
        text("""
        INSERT INTO night_images (batch_id, ordinal, merchant_id, image_id, look_id, reason, content, look, model)
        SELECT :batch, ordinal, :merchant, image_id, look_id, reason, content, look, model FROM planned
        """),
        {"batch": batch.id, "merchant": night.merchant_id},
    )
    if plan.proof is not None:
        minutes = night.rules.go_on_minutes
        until = None if minutes is None else now + timedelta(minutes=minutes)
        require_approval(connection, batch, Reason(plan.proof, plan.taken, until), settings, "category")
    return Planned(plan.as_json(), batch.id)


def _painting(connection: Connection, merchant: int, usual: Painting) -> Painting:
    """Return what a night is painted with: that by which it was planned, or the canary that takes its batch."""
    looks = connection.execute(
        text("SELECT DISTINCT l.look FROM planned p JOIN catalog_looks l ON l.id = p.look_id")
    ).scalars()
    styles = {name for look in looks for name in Look.from_json(look).styles}
    pin = choose_pin(connection, merchant, styles, Pin(usual.version, usual.style_rows))
    if pin.version != usual.version:
        connection.execute(text("UPDATE planned p SET model = l.canary FROM night_looks l WHERE l.id = p.look_id"))
    return replace(usual, version=pin.version, style_rows=pin.style_rows, batch_id=pin.batch_id)
