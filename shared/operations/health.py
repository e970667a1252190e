"""Check from outside whether the worker or beat of this host works, as supervisors ask."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from sqlalchemy import Engine

from shared.database import transaction
from shared.errors import Unavailable
from shared.queue import fleet
from shared.settings import ALIVE_SECONDS

TICKS_MISSED = 3
"""Late or missing ticks of beat before it counts as unhealthy."""


def check_worker(engine: Engine) -> None:
    """Raise Unavailable unless a worker of this host renewed its heartbeat recently."""
    host = socket.gethostname()
    with transaction(engine) as connection:
        if not fleet.is_heard(connection, host):
            raise Unavailable(f"no worker of {host} has sent a heartbeat for {ALIVE_SECONDS} s: look at its log")


def note_tick(home: Path) -> None:
    """Record that a message of beat has just reached Redis."""
    home.mkdir(parents=True, exist_ok=True)
    _mark(home).touch()


def check_beat(home: Path, tick_seconds: float) -> None:
    """Raise Unavailable unless the beat of this home sent a message recently."""
    try:
        age = time.time() - _mark(home).stat().st_mtime
    except FileNotFoundError:
        raise Unavailable(f"beat has sent nothing yet from {home}: look at its log") from None
    if age > TICKS_MISSED * tick_seconds:
        raise Unavailable(f"beat has sent nothing for {age:.0f} s: look at its log, and whether Redis answers")


def _mark(home: Path) -> Path:
    """Return the file whose modification time is that of beat's last message."""
    return home / "beat.tick"
