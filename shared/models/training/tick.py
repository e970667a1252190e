"""Queue training runs that are due, for schedules and for styles that the champion does not know, and nudge trainers.

Any worker may run it; running it twice or late is harmless. The caller passes the time.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, text

from shared.broker import Broker
from shared.database import Lock, transaction, try_lock
from shared.errors import UsageError
from shared.models.training.leases import due, give_up
from shared.models.training.requests import Depth, RunRequest, RunSpec, Trigger
from shared.models.training.runs import queue_run, refuse_run
from shared.models.training.schedules import open_slots
from shared.models.versions import champion

NEW_STYLE_STEPS = 200
MOST_PUBLISHED = 4


def tick(engine: Engine, now: datetime) -> int:
    """Queue the runs that schedules and new styles require; return how many.

    A slot whose run cannot be queued is recorded as a failed run.
    """
    with transaction(engine) as connection:
        if not try_lock(connection, Lock.TRAINING):
            return 0
        requests = [
            RunRequest(
                schedule.wanted,
                schedule.trigger,
                f"{schedule.trigger} of {slot:%Y-%m-%d %H:%M} UTC",
                "schedule",
                schedule=schedule.id,
                slot=slot,
            )
            for schedule, slot in open_slots(connection, now)
        ]
        requests += new_styles(connection)
        for request in requests:
            queue_or_refuse(connection, request)
    return len(requests)


def queue_or_refuse(connection: Connection, request: RunRequest) -> None:
    """Queue a run, or record it as failed with the reason."""
    try:
        queue_run(connection, request)
    except UsageError as error:
        refuse_run(connection, request, error)


def new_styles(connection: Connection) -> list[RunRequest]:
    """Return requests for styles with pictures but without a vector for the champion: public ones and own ones.

    Each is requested once per champion: a failed or cancelled run is not repeated automatically.
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
        RunRequest(
            RunSpec(Depth.STYLE, tuple(row.names), NEW_STYLE_STEPS * len(row.names)),
            Trigger.NEW_STYLE,
            f"no vector for the champion: {', '.join(row.names)}",
            "tick",
            merchant=row.merchant_id,
        )
        for row in rows
    ]


def publish_due(engine: Engine, broker: Broker) -> int:
    """Notify trainers of the runs that they could claim, unless messages are waiting; return how many.

    Raises BrokerUnavailable. A message that arrives twice finds its run claimed and is dropped.
    """
    with transaction(engine) as connection:
        give_up(connection)
        waiting = due(connection, MOST_PUBLISHED)
    if not waiting or broker.runs_held():
        return 0
    broker.publish_runs(waiting)
    return len(waiting)
