"""Ports for servers that tests start."""

from __future__ import annotations

import random
import socket

BELOW_EPHEMERAL = range(10_000, 32_000)
"""Ports that no system hands out by itself: one of those could go to any client between its choice and its use."""


def free_port() -> int:
    """Return a port of loopback that nobody uses, at random, so that tests side by side choose different ones."""
    while True:
        port = random.SystemRandom().choice(BELOW_EPHEMERAL)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
