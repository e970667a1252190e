"""The tick of training: runs whose time has come, styles that the champion does not know, runs that wait for trainers.

Done by any worker, harmless when doubled or late; the moment comes from the caller.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, text

from shared.broker import Broker
from shared.database import Lock, transaction, try_lock
from shared.errors import UsageError
from shared.models.training.leases import due, give_up
from shared.models.training.runs import Depth, Order, Trigger, Wanted, queue_run, refuse_run
from shared.models.training.schedules import open_slots
from shared.models.versions import champion

NEW_STYLE_STEPS = 200
MOST_PUBLISHED = 4


def tick(engine: Engine, now: datetime) -> int:
    """Queue what schedules and new styles ask for; return how many runs.

    A slot that cannot be served is put on record as a failed run.
    """
    with transaction(engine) as connection:
        if not try_lock(connection, Lock.TRAINING):
            return 0
        orders = [
            Order(schedule.wanted, schedule.trigger, f"{schedule.trigger} of {slot:%Y-%m-%d %H:%M} UTC", "schedule",
                  schedule=schedule.id, slot=slot)
            for schedule, slot in open_slots(connection, now)
        ]  # fmt: skip
        orders += new_styles(connection)
        for order in orders:
            queue_or_refuse(connection, order)
    return len(orders)


def queue_or_refuse(connection: Connection, order: Order) -> None:
    """Queue a run; one that cannot be is put on record with the reason."""
    try:
        queue_run(connection, order)
    except UsageError as error:
        refuse_run(connection, order, error)


def new_styles(connection: Connection) -> list[Order]:
    """Return orders for styles that have pictures but no row for the champion, public ones and each merchant's own.

    Once for each champion: what failed or was cancelled is not tried again by itself.
    """
    rows = connection.execute(
        text("""
        SELECT s.merchant_id, array_agg(s.name ORDER BY s.name) AS names
        FROM styles s LEFT JOIN merchants m ON m.id = s.merchant_id
        WHERE s.pictures <> '{}' AND m.erasing_at IS NULL
          AND NOT EXISTS (SELECT FROM style_rows r WHERE r.style_id = s.id AND r.trunk_sha256 = :trunk)
          AND NOT EXISTS (SELECT FROM training_runs t WHERE s.id = ANY(t.style_ids) AND t.start_id = :champion
                          AND t.depth = 'style')
        GROUP BY s.merchant_id ORDER BY s.merchant_id NULLS FIRST
        """),
        {"trunk": (version := champion(connection)).trunk_sha256, "champion": version.id},
    )
    return [
        Order(
            Wanted(Depth.STYLE, tuple(row.names), NEW_STYLE_STEPS * len(row.names)),
            Trigger.NEW_STYLE,
            f"no row for the champion: {', '.join(row.names)}",
            "tick",
            merchant=row.merchant_id,
        )
        for row in rows
    ]


def publish_due(engine: Engine, broker: Broker) -> int:
    """Tell trainers of the runs they could take, unless messages wait already; return how many.

    Raises BrokerUnavailable. A message that comes twice finds its run taken and is dropped.
    """
    with transaction(engine) as connection:
        give_up(connection)
        waiting = due(connection, MOST_PUBLISHED)
    if not waiting or broker.runs_held():
        return 0
    broker.publish_runs(waiting)
    return len(waiting)
