"""Run a worker process for as long as a command runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from shared.errors import DeviceUnavailable, Unavailable, UsageError

RESTART_SECONDS = 1.0
"""Shortest time between two starts of the worker."""

STEADY_SECONDS = 10.0
"""A worker that lived this long is able to work, whatever ended it."""

PATIENCE_SECONDS = 60.0
"""How long a worker that cannot start is restarted, since a service may be restarting."""

STOP_SECONDS = 60.0
EXIT_REFUSED = (2, 5)
"""Exit codes of a worker that can never work with its settings."""


class LocalWorker:
    """Runs ``atelier worker`` beside this process and restarts it when it dies.

    The worker watches its standard input, a pipe that closes with this process, so that it never outlives this
    process, however that ends.
    """

    def __init__(self, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._started = 0.0
        self._steady = time.monotonic()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._started = time.monotonic()
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "producer.commands.main", "worker", "--attached"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Restart the worker if it died. Raises DeviceUnavailable or Unavailable when restarting is pointless."""
        now = time.monotonic()
        code = self._process.poll()
        if now - self._started > STEADY_SECONDS:
            self._steady = now
        if code is None or now - self._started < RESTART_SECONDS:
            return
        if code in EXIT_REFUSED:
            raise DeviceUnavailable(f"the worker cannot start: {self._last_line()}")
        if now - self._steady > PATIENCE_SECONDS:
            raise Unavailable(f"the worker keeps crashing, see {self._log}: {self._last_line()}")
        self._process = self._start()

    def stop(self) -> None:
        """Let the worker finish its current chunks, and end it if that takes too long."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("atelier: ") if lines else "its log is empty"


@contextmanager
def local_worker(log: Path) -> Iterator[LocalWorker]:
    """Run a worker until the block ends. Raises UsageError if the workers' packages are missing."""
    if find_spec("torch") is None:
        raise UsageError(
            "`run` needs the packages of the workers on this machine: install atelier[workers], or use "
            "`submit --wait` and `download`, which leave the work to workers elsewhere"
        )
    worker = LocalWorker(log)
    try:
        yield worker
    finally:
        worker.stop()
