"""Start, await, find and stop a server process that the keeper owns."""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from shared.embedded.home import OWN_SERVERS, Home, open_lock
from shared.errors import Unavailable

CHILD = Path(__file__).with_name("child.py")
START_SECONDS = 60.0
STOP_SECONDS = 15.0
CAUSE_MARKS = ("PANIC", "FATAL", "rror")  # a log line that contains one of these names the cause


@dataclass(frozen=True)
class Account:
    """User that the servers run as. -1 means the keeper's own user."""

    uid: int = -1
    gid: int = -1

    @classmethod
    def choose(cls) -> Self:
        """Return ``nobody`` for root, since Postgres refuses to run as root."""
        if os.geteuid() != 0:
            return cls()
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise Unavailable(
                "Postgres cannot run as root and this machine has no user nobody: "
                f"run as an ordinary user, or {OWN_SERVERS}"
            ) from None
        return cls(nobody.pw_uid, nobody.pw_gid)

    def make_directory(self, path: Path) -> None:
        """Create a directory that only this user can enter."""
        path.mkdir(mode=0o700, exist_ok=True)
        os.chown(path, self.uid, self.gid)


class Server(ABC):
    """Run one server process.

    All its processes inherit its lock. So getting the lock proves that none of them lives, whatever
    happened to the keeper or to some of them.
    """

    name: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]]  # the gentlest first

    def __init__(self, home: Home, sockets: Path, account: Account) -> None:
        self.home = home
        self.sockets = sockets
        self.account = account
        self.data = home.services / self.name
        self.log = home.log(self.name)
        self.log_start = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def pid_file(self) -> Path:
        """Path of the file to which the server writes its process id."""

    @abstractmethod
    def prepare(self, lock: int) -> None:
        """Create the data directory if it is missing, and clean up after a killed server."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the server accepts work."""

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self.process.pid if self.process else 0

    def start(self) -> None:
        """Start the server. Call ``wait_until_ready`` afterwards."""
        lock = self.take_lock()
        try:
            self.log_start = self.log.stat().st_size if self.log.exists() else 0
            self.prepare(lock)
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self.as_child(self.command()),
                    cwd=self.data,
                    env={"LC_ALL": "C", "PATH": os.defpath},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(lock,),
                )
        finally:
            os.close(lock)  # the server holds it now

    def wait_until_ready(self) -> None:
        """Wait until the server accepts work. Raises Unavailable when it does not."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self.has_exited():
                raise self.failure("did not start")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready after {START_SECONDS:.0f} s")
            time.sleep(0.01)

    def has_exited(self) -> bool:
        """Return whether the server was started and has ended."""
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        """Stop the server and wait until it has ended."""
        if self.process is None:
            return
        for stop_signal in (*self.stop_signals, signal.SIGKILL):
            self.process.send_signal(stop_signal)
            try:
                self.process.wait(STOP_SECONDS)
                return
            except subprocess.TimeoutExpired:
                continue

    def take_lock(self) -> int:
        """Take the server's lock, and end an earlier keeper's server if one still lives.

        That server was told to stop when its keeper died, so this usually just waits.
        """
        lock = open_lock(self.home.services / f"{self.name}.lock")
        for stop_signal in self.stop_signals:
            deadline = time.monotonic() + STOP_SECONDS
            signalled = False
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return lock
                except BlockingIOError:
                    signalled = signalled or self.signal_leftover(stop_signal)
                    time.sleep(0.01)
        os.close(lock)
        raise self.failure("of an earlier start does not stop")

    def signal_leftover(self, stop_signal: signal.Signals) -> bool:
        """Signal a server of an earlier keeper. Returns False when it cannot be found."""
        try:
            pid = int(self.pid_file.read_text().split()[0])
            if os.fsencode(self.sockets) not in Path(f"/proc/{pid}/cmdline").read_bytes():
                return False  # another process has this id by now
            os.kill(pid, stop_signal)
        except (OSError, IndexError, ValueError):
            return False
        return True

    def run(self, command: list[str], lock: int, input_text: str = "") -> None:
        """Run a program that prepares the data, as the same user as the server."""
        with self.log.open("ab") as log:
            process = subprocess.run(
                self.as_child(command),
                cwd=self.home.services,
                env={"LC_ALL": "C", "PATH": os.defpath},
                input=input_text.encode(),
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                check=False,
            )
        if process.returncode != 0:
            raise self.failure("could not create its data")

    def as_child(self, command: list[str]) -> list[str]:
        """Return the command line that becomes ``command`` and ends with the keeper."""
        terms = (self.account.uid, self.account.gid, os.getpid(), int(self.stop_signals[0]))
        return [sys.executable, "-I", "-S", str(CHILD), *map(str, terms), *command]

    def failure(self, what: str) -> Unavailable:
        """Return the error for what happened, with the server's own message."""
        return Unavailable(
            f"embedded {self.name} {what}: {self.last_words()} (log: {self.log}); "
            f"fix that and try again, or {OWN_SERVERS}"
        )

    def last_words(self) -> str:
        """Return the log line, since this start, that best explains the failure."""
        try:
            with self.log.open("rb") as log:
                log.seek(self.log_start)
                lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
        except FileNotFoundError:
            lines = []
        lines = [line for line in lines if line] or ["its log is empty"]
        causes = [at for at, line in enumerate(lines) if any(word in line for word in CAUSE_MARKS)]
        at = causes[-1] if causes else len(lines) - 1
        detail = [line.partition("DETAIL:")[2].strip() for line in lines[at + 1 :] if "DETAIL:" in line]
        return "; ".join([lines[at], *detail])
