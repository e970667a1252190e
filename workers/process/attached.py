"""Stop with the process that started this one, however that ended."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress


def stop_with_standard_input() -> None:
    """Send this process SIGTERM when its standard input ends: a pipe that the starting process holds."""
    threading.Thread(target=_wait, name="stdin", daemon=True).start()


def _wait() -> None:
    with suppress(OSError):
        while sys.stdin.buffer.read(1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
