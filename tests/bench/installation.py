"""What a bench measures on: servers of its own, a session over them, and processes that work for that session."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.embedded import attached
from tests.sessions import fresh_session

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def installation() -> Iterator[Session]:
    """Start servers for one bench and open a session over a fresh database; all of it goes at the end."""
    with tempfile.TemporaryDirectory(prefix="atelier", ignore_cleanup_errors=True) as name:
        home = Path(name)
        with attached(home / "servers", lasting=False) as services, fresh_session(services, home) as session:
            yield session


def environment_of(session: Session, home: Path) -> dict[str, str]:
    """Return the environment of a process that works for a session, with a home of its own."""
    settings = session.settings
    assert settings.database_url
    assert settings.broker_url
    return os.environ | {
        "ATELIER_DATABASE_URL": settings.database_url.get_secret_value(),
        "ATELIER_BROKER_URL": settings.broker_url.get_secret_value(),
        "ATELIER_STORE_URL": session.store.url,
        "ATELIER_HOME": str(home),
    }


def server_pids(session: Session) -> dict[str, int]:
    """Return the process ids of a session's Postgres (the postmaster) and Redis, on this machine."""
    with transaction(session.engine) as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with session.broker.app.connection_for_read() as connection:
        redis = connection.default_channel.client.info("server")["process_id"]
    return {"postgres": int(stat_fields(backend)[1]), "redis": int(redis)}


def stat_fields(pid: int) -> list[str]:
    """Return the fields of a process from its state on, see proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def core_seconds(pid: int, *, with_dead_children: bool = False) -> float:
    """Return what a process has spent so far; 0 where it has ended."""
    try:
        fields = stat_fields(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(field) for field in fields[11 : 15 if with_dead_children else 13]) / TICKS


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def postgres_core_seconds(postmaster: int) -> float:
    """Return what Postgres has spent so far, the backends that have ended included."""
    running = sum(core_seconds(pid) for pid in children(postmaster))
    return core_seconds(postmaster, with_dead_children=True) + running
