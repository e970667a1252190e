"""Embedded servers that a test may kill, stop or fill."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from shared import embedded
from shared.embedded import Services
from tests.waiting import wait_until


@dataclass(frozen=True)
class Servers:
    """Embedded servers that may be killed: their keeper starts them again."""

    home: Path
    services: Services

    def kill(self, name: str) -> None:
        """Kill Redis or Postgres, and wait until their keeper has started another."""
        killed = self.pid(name)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: self.pid(name) != killed, f"{name} started again")

    @property
    def redis_socket(self) -> str:
        return self.services.broker_url.removeprefix("redis+socket://")

    def redis(self) -> Redis:
        """Return a client of Redis, to be closed."""
        return Redis(unix_socket_path=self.redis_socket)

    def pid(self, name: str) -> int:
        found = embedded.running(self.home)
        assert found
        return found.pids[name]
