"""Waiting for events: the one limit of all tests, and the one way to wait for what another thread or process does.

A test that waits passes as soon as the event has come, so the limit costs nothing. It only ends a test whose event
never comes, with a message instead of a stack of threads; it must be long enough for a machine that is ten times
slower than a good one and busy besides. The timeout of pytest itself, in ``pyproject.toml``, lies above it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import text

from shared.context import Session

LIMIT_SECONDS = 600.0

POLL_SECONDS = 0.03


def wait_until(condition: Callable[[], object], event: str) -> None:
    """Wait until a condition holds; ``event`` is what the test would have liked to see."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {LIMIT_SECONDS:.0f} s in vain for {event}"
        time.sleep(POLL_SECONDS)


def wait_for_blocked_connection(session: Session) -> None:
    """Wait until a connection to the session's database waits for a lock that another one holds."""
    blocked = text("""
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_type = 'client backend'
    """)
    with session.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        wait_until(lambda: connection.execute(blocked).scalar_one(), "a connection that waits for a lock")
