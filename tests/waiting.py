"""Waiting until somebody else waits for what is held."""

from __future__ import annotations

from sqlalchemy import text

from shared.context import Session


def wait_for_a_lock(session: Session) -> None:
    """Wait until somebody waits."""
    with session.engine.connect() as connection:
        waiting = text("""
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        """)
        while not connection.execute(waiting).scalar_one():
            connection.rollback()
