"""The fleet: which workers are alive and how many chunks they can have in hand."""

from __future__ import annotations

import os
import socket
from uuid import UUID

from sqlalchemy import Connection, text

ALIVE_SECONDS = 30
"""A worker whose heartbeat is older counts no more."""


def register(connection: Connection, worker_id: UUID, device: str, slots: int) -> None:
    """Announce a worker of this host and process, or renew its heartbeat.

    One and the same, so that a worker that was silent for long, and forgotten, comes back by itself.
    """
    connection.execute(
        text("""
        INSERT INTO workers (id, host, pid, device, slots) VALUES (:id, :host, :pid, :device, :slots)
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()
        """),
        {"id": worker_id, "host": socket.gethostname(), "pid": os.getpid(), "device": device, "slots": slots},
    )


def leave(connection: Connection, worker_id: UUID) -> None:
    """Take a worker off the list."""
    connection.execute(text("DELETE FROM workers WHERE id = :id"), {"id": worker_id})


def forget_dead(connection: Connection) -> int:
    """Delete workers that have been silent for long; return how many."""
    gone = connection.execute(
        text("DELETE FROM workers WHERE heartbeat_at < clock_timestamp() - make_interval(secs => :age)"),
        {"age": 10 * ALIVE_SECONDS},
    )
    return gone.rowcount


def is_any_alive(connection: Connection) -> bool:
    """Say whether any worker is alive."""
    found = connection.execute(
        text(
            "SELECT EXISTS (SELECT FROM workers WHERE heartbeat_at > clock_timestamp() - make_interval(secs => :age))"
        ),
        {"age": ALIVE_SECONDS},
    )
    return bool(found.scalar_one())


def is_heard(connection: Connection, host: str) -> bool:
    """Say whether a worker of a host is alive."""
    found = connection.execute(
        text("""
        SELECT EXISTS (
            SELECT FROM workers
            WHERE host = :host AND heartbeat_at > clock_timestamp() - make_interval(secs => :age)
        )
        """),
        {"host": host, "age": ALIVE_SECONDS},
    )
    return bool(found.scalar_one())
