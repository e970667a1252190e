"""Health is what a supervisor is told: a process that is there and does nothing is not healthy."""

from __future__ import annotations

import os
import time
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.errors import Unavailable
from shared.operations import health
from shared.queue import fleet


def test_a_worker_that_is_silent_for_long_or_on_another_host_is_not_healthy(session: Session) -> None:
    with pytest.raises(Unavailable):
        health.check_worker(session.engine)
    with transaction(session.engine) as connection:
        fleet.register(connection, uuid4(), "cpu", 1)
    health.check_worker(session.engine)
    for change in ("host = 'elsewhere'", "heartbeat_at = clock_timestamp() - interval '31 s'"):
        with transaction(session.engine) as connection:
            connection.execute(text(f"UPDATE workers SET {change}"))
        with pytest.raises(Unavailable, match="no worker of"):
            health.check_worker(session.engine)
        with transaction(session.engine) as connection:
            connection.execute(text("DELETE FROM workers"))
            fleet.register(connection, uuid4(), "cpu", 1)


def test_beat_is_healthy_for_three_ticks_after_a_message(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(Unavailable, match="nothing yet"):
        health.check_beat(home, 10)
    health.note_tick(home)
    health.check_beat(home, 10)
    os.utime(home / "beat.tick", (time.time() - 31,) * 2)
    with pytest.raises(Unavailable, match="for 31 s"):
        health.check_beat(home, 10)
