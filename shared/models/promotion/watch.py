"""Watch the canary, and return it when its batches are worse than the champion's. Every sweep does so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine, text

from shared.database import Lock, lock, transaction
from shared.merchants import audit
from shared.models.promotion import comparison
from shared.models.promotion.canaries import Canary, CanaryState, end_canary, running_canary
from shared.models.promotion.comparison import Comparison, TroubleCount
from shared.models.promotion.rules import BY_RULE
from shared.models.versions import Change, ChangeKind, note_change

OUR_FAULT = ("internal_error", "crashed_worker")
"""Codes of failures that are no fault of image or source."""

MOST_BATCHES = 500
"""Largest number of batches of each version that are compared."""

MEASURED = 1000
"""Number of images of a batch, the first ones, whose figures stand for all."""

LATE = timedelta(hours=1)
"""Age from which a batch without results is in trouble, unless the champion's wait as long."""

SPAN = timedelta(days=1)
"""Period in which the batches began that are checked for trouble; younger ones than ``LATE`` cannot be late."""

log = structlog.get_logger()


def watch_canary(engine: Engine) -> bool:
    """Compare the canary with the champion when there is something new; return whether the canary was returned.

    New is one more of the canary's batches that has ended, or that is in trouble.
    """
    with transaction(engine) as connection:
        canary = running_canary(connection)
        if canary is None or not (_has_ended(connection, canary) or _is_in_trouble(connection, canary)):
            return False
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        canary = running_canary(connection)
        if canary is None:
            return False
        worse = _judge(connection, canary) if _has_ended(connection, canary) else []
        if _is_in_trouble(connection, canary):
            worse += _judge_troubled(connection, canary)
        if worse:
            _return(connection, canary, worse)
        return bool(worse)


def _has_ended(connection: Connection, canary: Canary) -> bool:
    return _ended(connection, canary) > canary.seen


def _is_in_trouble(connection: Connection, canary: Canary) -> bool:
    return count_troubled(connection, canary, canary.version_id).troubled > canary.troubled


def _judge(connection: Connection, canary: Canary) -> list[Comparison]:
    seen = _ended(connection, canary)
    canary_batches = sample(connection, canary, canary.version_id)
    # Count only what had ended by then, so that each comparison sees exactly one more batch of the canary's.
    until = max((moment for moment, _ in canary_batches), default=canary.started_at)
    champion_figures = [
        figures for moment, figures in sample(connection, canary, canary.champion_id) if moment <= until
    ]
    comparisons = comparison.compare([figures for _, figures in canary_batches], champion_figures, seen)
    connection.execute(
        text("UPDATE canaries SET seen = :seen, figures = CAST(:figures AS jsonb) WHERE id = :id"),
        {"id": canary.id, "seen": seen, "figures": json.dumps(comparison.as_json(comparisons))},
    )
    return [result for result in comparisons if result.worse]


def _judge_troubled(connection: Connection, canary: Canary) -> list[Comparison]:
    canary_count, champion_count = (
        count_troubled(connection, canary, version) for version in (canary.version_id, canary.champion_id)
    )
    connection.execute(
        text("UPDATE canaries SET troubled = :troubled WHERE id = :id"),
        {"id": canary.id, "troubled": canary_count.troubled},
    )
    result = comparison.compare_troubled(canary_count, champion_count)
    return [result] if result.worse else []


def _return(connection: Connection, canary: Canary, worse: Sequence[Comparison]) -> None:
    reason = f"after {_ended(connection, canary)} batches " + ", ".join(map(str, worse))
    end_canary(connection, canary, CanaryState.RETURNED)
    note_change(connection, canary.version_id, canary.champion_id, Change(ChangeKind.RETURN, BY_RULE, reason))
    audit.record(connection, BY_RULE, "canary returned", None, {"version": canary.version_id, "reason": reason})
    log.warning("canary_returned", version=canary.version_id, reason=reason)


COUNTED = """
b.model_version_id = :version AND b.state = 'finished' AND b.queue <> 'preview' AND b.finished_at >= :since
AND b.created_at >= :since AND b.succeeded + b.failed > 0
"""
"""Condition on the batches that count: those that began and ended since the canary runs, without previews."""


def _ended(connection: Connection, canary: Canary) -> int:
    count = connection.execute(
        text(f"SELECT count(*) FROM batches b WHERE {COUNTED}"),
        {"version": canary.version_id, "since": canary.started_at},
    )
    return int(count.scalar_one())


def count_troubled(connection: Connection, canary: Canary, version_id: int) -> TroubleCount:
    """Count the batches of a version that began recently and since the canary runs, and those of them in trouble.

    A batch is in trouble when a worker died while it processed one of its images alone, since only then the image is
    to blame; or when it is ``LATE`` old without any result, and nobody holds or held it up: it has no proof, and was
    neither resumed nor retried. A young batch that has not ended counts only if a worker died of it. Of more than
    ``MOST_BATCHES`` those with the lowest hash of their ids count, not the newest, so that the same period is compared
    however many batches each version has.
    """
    row = connection.execute(
        text("""
        SELECT count(*) AS batches, count(*) FILTER (WHERE died OR late) AS troubled
        FROM (
            SELECT died, late FROM (
                SELECT b.id, b.state, EXISTS (
                           SELECT FROM chunks c JOIN jobs j
                             ON j.batch_id = c.batch_id AND j.ordinal BETWEEN c.first_ordinal AND c.last_ordinal
                           WHERE c.batch_id = b.id AND c.deaths > 0 AND j.deaths > 0) AS died,
                       b.state = 'running' AND NOT b.paused AND b.succeeded + b.failed = 0
                       AND b.created_at < clock_timestamp() - CAST(:late AS interval)
                       AND NOT EXISTS (SELECT FROM proofs p WHERE p.batch_id = b.id)
                       AND b.resumed_at IS NULL AS late
                FROM batches b
                WHERE b.model_version_id = :version AND b.queue <> 'preview' AND b.state <> 'cancelled'
                  AND b.created_at >= greatest(:since, clock_timestamp() - CAST(:span AS interval)) AND b.total > 0
            ) begun
            WHERE died OR late OR state = 'finished' ORDER BY md5(CAST(id AS text)) LIMIT :most
        ) counted
        """),
        {
            **{"version": version_id, "since": canary.started_at, "most": MOST_BATCHES},
            **{"late": LATE, "span": SPAN},
        },
    ).one()
    return TroubleCount(int(row.batches), int(row.troubled))


def sample(connection: Connection, canary: Canary, version_id: int) -> list[tuple[datetime, dict[str, float]]]:
    """Return when each batch of a version ended, and its figures: the means over its renditions, and ``failed``.

    The figures of a rendition are the numbers in its ``quality``, if there are any.
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
