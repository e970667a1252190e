"""What a test does to the crew's Redis."""

from __future__ import annotations

import os
import signal
import time

from tests.chaos.crew import Crew
from tests.chaos.servers import Servers


def pause(servers: Servers, seconds: float) -> None:
    """Let Redis stand still."""
    pid = servers.pid("redis")
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)  # the fault itself, not a wait for anything
    finally:
        os.kill(pid, signal.SIGCONT)


def fill_memory(crew: Crew, servers: Servers) -> None:
    """Let Redis have no memory left until a worker has noticed."""
    with servers.redis() as client:
        client.config_set("maxmemory", "1")
        try:
            crew.complaint("maxmemory")
        finally:
            client.config_set("maxmemory", "0")
