"""Recording outcomes, each of them: one that Postgres refuses fails its own job and keeps no other from its end."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from shared.database import transaction
from shared.queue import chunks
from shared.queue.chunks import Claim
from shared.queue.jobs import Failed
from shared.queue.outcomes import Outcome

REFUSED = "outcome_refused"
"""Code of a job whose outcome cannot be stored."""

STATES_OF_VALUES = ("22", "23", "54")
"""Classes of SQLSTATE that blame a value: data exception, integrity violation, limit exceeded."""

log = structlog.get_logger()


def finish(
    engine: Engine, claim: Claim, outcomes: Sequence[Outcome], lease_seconds: float
) -> tuple[Sequence[Outcome], bool]:
    """Record what became of jobs, in one transaction, or in several where an outcome is refused.

    Returns what was recorded, and False where the batch was cancelled meanwhile. Raises LeaseLost and Unavailable.
    """
    try:
        with transaction(engine) as connection:
            return outcomes, chunks.finish(connection, claim, outcomes, lease_seconds)
    except (ValueError, DBAPIError) as error:
        if not _is_of_a_value(error):
            raise
        if len(outcomes) > 1:
            half = len(outcomes) // 2
            first, going_on = finish(engine, claim, outcomes[:half], lease_seconds)
            if not going_on:
                return first, False
            second, going_on = finish(engine, claim, outcomes[half:], lease_seconds)
            return [*first, *second], going_on
        if outcomes and isinstance(outcomes[0], Failed) and outcomes[0].code == REFUSED:
            raise
        log.error("outcome_refused", ordinal=outcomes[0].ordinal, exc_info=error)
        what = " ".join(str(error).split())[:200]
        message = f"what became of this image cannot be stored ({what}): report it, or retry later"
        return finish(engine, claim, [Failed(outcomes[0].ordinal, REFUSED, message, retryable=True)], lease_seconds)


def _is_of_a_value(error: ValueError | DBAPIError) -> bool:
    """Tell whether a value is to blame, and not a statement, which would fail every image alike."""
    if not isinstance(error, DBAPIError):
        return True  # it cannot be written as JSON or UTF-8
    state = getattr(error.orig, "sqlstate", None)
    return isinstance(error.orig, psycopg.DataError) if state is None else state[:2] in STATES_OF_VALUES
