"""Watching a canary: it is returned when its batches are worse than the champion's. Part of every sweep."""

from __future__ import annotations

import json
from datetime import datetime

import structlog
from sqlalchemy import Connection, Engine, text

from shared import audit
from shared.database import Lock, lock, transaction
from shared.model_versions import Change, note_change
from shared.promotion import comparison
from shared.promotion.canaries import Canary, end_canary, running_canary
from shared.promotion.rules import BY_RULE

OUR_FAULT = ("internal_error", "crashed_worker")
"""Codes of failures that no image and no source is to blame for."""

MOST_BATCHES = 500
"""The newest of each that are looked at."""

MEASURED = 1000
"""Images of a batch, the first, whose figures stand for all."""

log = structlog.get_logger()


def watch_canary(engine: Engine) -> bool:
    """Compare the canary with the champion when a batch of the canary's has ended; say whether it was returned."""
    with transaction(engine) as connection:
        canary = running_canary(connection)
        if canary is None or _ended(connection, canary) <= canary.seen:
            return False
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        canary = running_canary(connection)
        return canary is not None and _judge(connection, canary)


def _judge(connection: Connection, canary: Canary) -> bool:
    seen = _ended(connection, canary)
    mine = sample(connection, canary, canary.version_id)
    # Only what had ended by then, so that each look is at one more batch of the canary's, and no more than one.
    until = max((moment for moment, _ in mine), default=canary.started_at)
    others = [figures for moment, figures in sample(connection, canary, canary.champion_id) if moment <= until]
    found = comparison.compare([figures for _, figures in mine], others, seen)
    connection.execute(
        text("UPDATE canaries SET seen = :seen, figures = CAST(:figures AS jsonb) WHERE id = :id"),
        {"id": canary.id, "seen": seen, "figures": json.dumps(comparison.as_json(found))},
    )
    worse = [one for one in found if one.worse]
    if not worse:
        return False
    reason = f"after {seen} batches " + ", ".join(map(str, worse))
    end_canary(connection, canary, "returned")
    note_change(connection, canary.version_id, canary.champion_id, Change("return", BY_RULE, reason))
    audit.record(connection, BY_RULE, "canary returned", None, {"version": canary.version_id, "reason": reason})
    log.warning("canary_returned", version=canary.version_id, reason=reason)
    return True


COUNTED = """
b.model_version_id = :version AND b.state = 'finished' AND b.queue <> 'preview' AND b.finished_at >= :since
AND b.created_at >= :since AND b.succeeded + b.failed > 0
"""
"""Which batches count: those of both that began and ended since the canary runs. Nobody's previews."""


def _ended(connection: Connection, canary: Canary) -> int:
    found = connection.execute(
        text(f"SELECT count(*) FROM batches b WHERE {COUNTED}"),
        {"version": canary.version_id, "since": canary.started_at},
    )
    return int(found.scalar_one())


def sample(connection: Connection, canary: Canary, version_id: int) -> list[tuple[datetime, dict[str, float]]]:
    """Return when each batch of a version ended, and its figures: those of its renditions in the mean, and ``failed``.

    The figures of a rendition are the numbers in its ``quality``, as far as there are any.
    """
    rows = connection.execute(
        text(f"""
        SELECT b.finished_at, f.failed / (b.succeeded + b.failed)::float8 AS failed, q.figures
        FROM (SELECT b.* FROM batches b WHERE {COUNTED} ORDER BY b.finished_at DESC LIMIT :most) b
        CROSS JOIN LATERAL (
            SELECT count(*) AS failed FROM jobs j
            WHERE j.batch_id = b.id AND j.state = 'failed' AND j.code = ANY(:ours)
        ) f
        CROSS JOIN LATERAL (
            SELECT jsonb_object_agg(name, mean) AS figures FROM (
                SELECT e.key AS name, avg(CAST(e.value AS float8)) AS mean
                FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
                CROSS JOIN LATERAL jsonb_each(r.quality) e
                WHERE l.batch_id = b.id AND l.ordinal < :measured AND jsonb_typeof(e.value) = 'number'
                GROUP BY e.key
            ) means
        ) q
        ORDER BY b.finished_at
        """),
        {
            **{"version": version_id, "since": canary.started_at, "most": MOST_BATCHES},
            **{"ours": list(OUR_FAULT), "measured": MEASURED},
        },
    )
    return [(row.finished_at, {"failed": row.failed} | (row.figures or {})) for row in rows]
