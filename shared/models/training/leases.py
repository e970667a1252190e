"""Claim training runs, renew their leases, and record their progress. Every write is conditional on the lease.

Trainers take the oldest free run, so a run continues slice after slice before the next begins. All times are
the database's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from shared.errors import LeaseLost
from shared.models.training.runs import COLUMNS, RunState, Saved, TrainingRun

MOST_ATTEMPTS = 5
"""Number of trainers that may die with a run, between two saved states, before it fails as ``crashed_trainer``."""

SAVED_KEPT = 2
"""If the newest saved state is damaged, the previous one is used."""

_FREE = """(lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())
            AND (state = 'comparing' OR next_attempt_at <= clock_timestamp())"""
"""A run that is being compared waits by its lease alone. Its ``next_attempt_at`` is infinite, so that no trainer of a
release without comparisons takes it, trains its last slice again and drops its rule."""
_MINE = "id = :id AND lease = :lease AND lease_expires_at IS NOT NULL"


def claim(connection: Connection, run_id: UUID, seconds: float) -> TrainingRun | None:
    """Claim a free run. Returns None if it is taken, over, not yet due, or not the first in line."""
    row = connection.execute(
        text(f"""
        WITH r AS (
            UPDATE training_runs SET lease = lease + 1, attempts = attempts + 1,
                lease_expires_at = clock_timestamp() + make_interval(secs => :seconds),
                state = CASE state WHEN 'queued' THEN 'collecting' ELSE state END,
                started_at = coalesce(started_at, clock_timestamp())
            WHERE id = :id AND finished_at IS NULL AND {_FREE} AND attempts < :most AND NOT EXISTS (
                SELECT FROM training_runs WHERE id < :id AND finished_at IS NULL AND {_FREE})
            RETURNING *
        )
        SELECT {COLUMNS} FROM r
        """),
        {"id": run_id, "seconds": seconds, "most": MOST_ATTEMPTS},
    ).one_or_none()
    return None if row is None else TrainingRun.from_row(row)


def due(connection: Connection, most: int) -> list[UUID]:
    """Return the runs that trainers could claim now, oldest first."""
    rows = connection.execute(
        text(f"SELECT id FROM training_runs WHERE finished_at IS NULL AND {_FREE} ORDER BY id LIMIT :most"),
        {"most": most},
    )
    return list(rows.scalars())


def give_up(connection: Connection) -> int:
    """Fail the runs that killed too many trainers. One with a candidate is finished without a verdict.

    Returns how many.
    """
    failed = connection.execute(
        text(f"""
        UPDATE training_runs SET lease_expires_at = NULL, finished_at = clock_timestamp(), code = 'crashed_trainer',
            state = CASE state WHEN 'comparing' THEN 'finished' ELSE 'failed' END,
            message = attempts || ' trainers died with this run: check their logs and their memory'
        WHERE finished_at IS NULL AND attempts >= :most AND {_FREE}
        """),
        {"most": MOST_ATTEMPTS},
    )
    return failed.rowcount


def progress(
    connection: Connection, run: TrainingRun, seconds: float, step: int, logged: Mapping[str, float] | None = None
) -> None:
    """Renew the lease after progress. ``logged`` is a point of the validation curve. Raises LeaseLost."""
    _write(
        connection,
        run,
        """step = :step, lease_expires_at = clock_timestamp() + make_interval(secs => :seconds),
           curve = CASE WHEN CAST(:logged AS jsonb) IS NULL THEN curve ELSE
               jsonb_path_query_array(curve, '$[*] ? (@.step < $now)', jsonb_build_object('now', CAST(:step AS int)))
               || CAST(:logged AS jsonb) END""",
        step=step,
        seconds=seconds,
        logged=None if logged is None else json.dumps(dict(logged)),
    )


def record_photos(
    connection: Connection, run: TrainingRun, photos: Mapping[str, int], config: Mapping[str, Any], data_sha256: str
) -> None:
    """Record which photos a run learns from (sha256 → merchant), and its complete config. Raises LeaseLost."""
    _write(
        connection,
        run,
        "state = 'training', config = CAST(:config AS jsonb), data_sha256 = :data",
        config=json.dumps(dict(config)),
        data=data_sha256,
    )
    connection.execute(
        text("""
        INSERT INTO training_photos (run_id, sha256, merchant_id)
        SELECT :run, * FROM unnest(CAST(:hashes AS text[]), CAST(:merchants AS bigint[]))
        """),
        {"run": run.id, "hashes": list(photos), "merchants": list(photos.values())},
    )


def record_state(connection: Connection, run: TrainingRun, saved: Saved) -> list[str]:
    """Record a saved state, and release the run for its next slice; return the keys of states no longer needed.

    Raises LeaseLost.
    """
    kept: Sequence[Saved] = [*(state for state in run.saved[1 - SAVED_KEPT :] if state.step < saved.step), saved]
    _write(
        connection,
        run,
        "step = :step, saved = CAST(:saved AS jsonb), attempts = 0, lease_expires_at = NULL",
        step=saved.step,
        saved=json.dumps([asdict(state) for state in kept]),
    )
    return [state.key for state in run.saved if state not in kept and state.key != saved.key]


def reset_progress(connection: Connection, run: TrainingRun, step: int) -> None:
    """Discard what a dead trainer recorded after the saved state that the run resumes from. Raises LeaseLost."""
    _write(
        connection,
        run,
        """step = :step,
           curve = jsonb_path_query_array(curve, '$[*] ? (@.step <= $now)',
                                          jsonb_build_object('now', CAST(:step AS int)))""",
        step=step,
    )


def release(
    connection: Connection, run: TrainingRun, message: str | None, delay_seconds: float, *, counts: bool = False
) -> None:
    """Release a run that cannot continue now. ``counts`` marks a failed attempt. Raises LeaseLost."""
    _write(
        connection,
        run,
        """lease = lease + 1, attempts = attempts - CAST(:forgiven AS int), message = :message,
           lease_expires_at = CASE WHEN state = 'comparing' THEN clock_timestamp() + make_interval(secs => :delay) END,
           next_attempt_at = CASE WHEN state = 'comparing' THEN next_attempt_at
                                  ELSE clock_timestamp() + make_interval(secs => :delay) END""",
        message=message,
        delay=delay_seconds,
        forgiven=int(not counts),
    )


def end(connection: Connection, run: TrainingRun, state: RunState, code: str, message: str) -> None:
    """End a run as ``failed`` or ``cancelled``. Raises LeaseLost."""
    _write(
        connection,
        run,
        "state = :state, code = :code, message = :message, lease_expires_at = NULL, finished_at = clock_timestamp()",
        state=state,
        code=code,
        message=message,
    )


def record_figures(
    connection: Connection, run: TrainingRun, population: Mapping[str, Any], quality: Mapping[str, Any] | None
) -> None:
    """Record the distributions of the photos' figures and of the champion's recent quality.

    Raises LeaseLost.
    """
    _write(
        connection,
        run,
        "population = CAST(:population AS jsonb), quality = CAST(:quality AS jsonb)",
        population=json.dumps(dict(population)),
        quality=None if quality is None else json.dumps(dict(quality)),
    )


def record_candidate(connection: Connection, run: TrainingRun, step: int, candidate_id: int) -> None:
    """Record the candidate, installed in the same transaction, and begin its comparison. Raises LeaseLost."""
    _write(
        connection,
        run,
        """state = 'comparing', step = :step, candidate_id = :candidate, attempts = 1, message = NULL,
           next_attempt_at = 'infinity'""",
        step=step,
        candidate=candidate_id,
    )


def record_verdict(connection: Connection, run: TrainingRun, verdict_id: int) -> None:
    """Record the verdict on the candidate. Its rule is applied next. Raises LeaseLost."""
    _write(connection, run, "verdict_id = :verdict", verdict=verdict_id)


def finish(
    connection: Connection, run: TrainingRun, step: int, message: str | None = None, code: str | None = None
) -> None:
    """End a run whose result is installed. ``message`` says what became of it, ``code`` what is missing.

    Raises LeaseLost.
    """
    _write(
        connection,
        run,
        """state = 'finished', step = :step, message = :message, code = :code, lease_expires_at = NULL,
           finished_at = clock_timestamp()""",
        step=step,
        message=message,
        code=code,
    )


def _write(connection: Connection, run: TrainingRun, changes: str, **values: object) -> None:
    updated = connection.execute(
        text(f"UPDATE training_runs SET {changes} WHERE {_MINE}"), {"id": run.id, "lease": run.lease} | values
    )
    if updated.rowcount != 1:
        raise LeaseLost(f"training run {run.id} was cancelled or given to another trainer (lease {run.lease} is over)")
