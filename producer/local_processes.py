"""Run a worker, beat or trainer for as long as a command runs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from shared.errors import DeviceUnavailable, Unavailable, UsageError

RESTART_SECONDS = 1.0
"""Shortest time between two starts of a process."""

STEADY_SECONDS = 10.0
"""A process that lived this long is able to work, whatever ended it."""

PATIENCE_SECONDS = 60.0
"""How long a process that cannot start is restarted, since a service may be restarting."""

STOP_SECONDS = 60.0
EXIT_REFUSED = (2, 5)
"""Exit codes of a process that can never work with its settings."""

WORKER, BEAT, TRAINER = ("worker",), ("beat",), ("worker", "--queue", "train")
"""Commands that may run beside another."""


class LocalProcess:
    """Runs a command of Atelier beside this process and restarts it when it dies.

    It watches its standard input, a pipe that closes with this process, so that it never outlives this process,
    however that ends.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._command, self._log = command, log
        self._started = 0.0
        self._steady = time.monotonic()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._started = time.monotonic()
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "producer.commands.main", *self._command, "--attached"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Restart the process if it died. Raises DeviceUnavailable or Unavailable when restarting is pointless."""
        now = time.monotonic()
        code = self._process.poll()
        if now - self._started > STEADY_SECONDS:
            self._steady = now
        if code is None or now - self._started < RESTART_SECONDS:
            return
        if code in EXIT_REFUSED:
            raise DeviceUnavailable(f"the {self._command[0]} cannot start: {self._last_line()}")
        if now - self._steady > PATIENCE_SECONDS:
            raise Unavailable(f"the {self._command[0]} keeps crashing, see {self._log}: {self._last_line()}")
        self._process = self._start()

    def tell_to_stop(self) -> None:
        """Let the process finish what it has begun."""
        if self._process.stdin:
            self._process.stdin.close()

    def stop(self) -> None:
        """Let the process finish what it has begun, and end it if that takes too long."""
        self.tell_to_stop()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("atelier: ") if lines else "its log is empty"


@contextmanager
def local_worker(log: Path) -> Iterator[LocalProcess]:
    """Run a worker until the block ends. Raises UsageError if the workers' packages are missing."""
    require_workers("run")
    worker = LocalProcess(WORKER, log)
    try:
        yield worker
    finally:
        worker.stop()


def require_workers(command: str) -> None:
    """Raise UsageError if the workers' packages are missing here."""
    if find_spec("torch") is None:
        raise UsageError(
            f"`{command}` needs the packages of the workers on this machine: install atelier[workers], or use "
            "`submit --wait` and `download`, which leave the work to workers elsewhere"
        )


class Supervisor:
    """Keeps several processes running, and looks after them from a thread of its own.

    ``tell`` is called with a line for people when one of them cannot be kept running; the others go on.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._processes: list[LocalProcess] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self, commands: Mapping[str, Sequence[str]], logs: Path) -> None:
        """Start commands by name; each writes to a log of its name in a folder."""
        for name, command in commands.items():
            self._processes.append(LocalProcess(command, logs / f"{name}.log"))
        self._thread.start()

    def stop(self) -> None:
        """Tell all to stop, and wait until they have."""
        self._ending.set()
        for process in self._processes:
            process.tell_to_stop()
        for process in self._processes:
            process.stop()

    def _watch(self) -> None:
        watched = list(self._processes)
        while not self._ending.wait(RESTART_SECONDS):
            for process in list(watched):
                try:
                    process.check()
                except Unavailable as error:
                    watched.remove(process)
                    self._tell(str(error))
