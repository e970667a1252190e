"""The fleet: live workers, and how many chunks they can process at once."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from shared.settings import ALIVE_SECONDS


@dataclass(frozen=True)
class Worker:
    """Styling worker: its host, device and slots, and its last heartbeat."""

    id: UUID
    host: str
    pid: int
    device: str
    slots: int
    started_at: datetime
    heartbeat_at: datetime
    alive: bool


def register(connection: Connection, worker_id: UUID, device: str, slots: int) -> None:
    """Register a worker of this host and process, or renew its heartbeat.

    It is one operation, so that a worker that was silent for long, and removed, comes back by itself.
    """
    connection.execute(
        text("""
        INSERT INTO workers (id, host, pid, device, slots) VALUES (:id, :host, :pid, :device, :slots)
        ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()
        """),
        {"id": worker_id, "host": socket.gethostname(), "pid": os.getpid(), "device": device, "slots": slots},
    )


def leave(connection: Connection, worker_id: UUID) -> None:
    """Remove a worker."""
    connection.execute(text("DELETE FROM workers WHERE id = :id"), {"id": worker_id})


def list_workers(connection: Connection) -> list[Worker]:
    """Return the registered workers, by host. Silent ones are removed after some time."""
    rows = connection.execute(
        text("""
        SELECT id, host, pid, device, slots, started_at, heartbeat_at,
               heartbeat_at > clock_timestamp() - make_interval(secs => :age) AS alive
        FROM workers ORDER BY host, pid, id
        """),
        {"age": ALIVE_SECONDS},
    )
    return [Worker(**row._asdict()) for row in rows]


def forget_dead(connection: Connection) -> int:
    """Remove workers that have been silent for long; return how many."""
    gone = connection.execute(
        text("DELETE FROM workers WHERE heartbeat_at < clock_timestamp() - make_interval(secs => :age)"),
        {"age": 10 * ALIVE_SECONDS},
    )
    return gone.rowcount


def is_any_alive(connection: Connection) -> bool:
    """Return whether any worker is alive."""
    found = connection.execute(
        text(
            "SELECT EXISTS (SELECT FROM workers WHERE heartbeat_at > clock_timestamp() - make_interval(secs => :age))"
        ),
        {"age": ALIVE_SECONDS},
    )
    return bool(found.scalar_one())


def is_heard(connection: Connection, host: str) -> bool:
    """Return whether a worker of a host is alive."""
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
