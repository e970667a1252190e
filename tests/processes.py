"""Processes of the real command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def environment(home: Path) -> dict[str, str]:
    """Return this process's environment, with nothing of Atelier's in it but a home."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ATELIER_")} | {
        "ATELIER_HOME": str(home)
    }


def run_atelier(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "producer.commands.main", *arguments],
        env=environment(home) | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def start_atelier(home: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start a command, in a home and a group of processes of its own, so that a test can interrupt or kill it."""
    return subprocess.Popen(
        [sys.executable, "-m", "producer.commands.main", *arguments],
        env=environment(home) | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
