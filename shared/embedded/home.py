"""Lay out the embedded services' files below ``ATELIER_HOME``, and their locks.

    HOME/services/attached.lock   shared flock of every command that uses the services
    HOME/services/start.lock      held while a command starts or stops them
    HOME/services/keeper.lock     held by the keeper as long as it lives, which identifies it
    HOME/services/NAME.lock       held by the processes of one server, children included
    HOME/services/services.json   URLs and process ids; exists while the services are ready
    HOME/services/lasting         exists when the services outlast the last command
    HOME/services/NAME/           the data of a server
    HOME/log/NAME.log

The kernel drops a lock when its process dies for whatever reason, so no lock needs cleaning up.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.errors import UsageError

OWN_SERVERS = "set ATELIER_DATABASE_URL and ATELIER_BROKER_URL to servers of your own"

FLOCK = "hhqqi"  # struct flock on 64-bit Linux, the only platform the wheels exist for


@dataclass(frozen=True)
class Services:
    """URLs of the services: one for SQLAlchemy, one for kombu."""

    database_url: str
    broker_url: str


@dataclass(frozen=True)
class Running:
    """Ready services, and the process ids of ``keeper``, ``postgres`` and ``redis``."""

    services: Services
    pids: dict[str, int]
    lasting: bool


class Home:
    """Paths below one ``ATELIER_HOME``."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.services = self.path / "services"
        self.attached_lock = self.services / "attached.lock"
        self.start_lock = self.services / "start.lock"
        self.keeper_lock = self.services / "keeper.lock"
        self.record = self.services / "services.json"
        self.lasting = self.services / "lasting"

    def prepare(self) -> None:
        """Create the folders. Raises UsageError when the home cannot be used."""
        try:
            self.services.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.path / "log").mkdir(mode=0o700, exist_ok=True)
            os.close(open_lock(self.attached_lock))
        except OSError as error:
            raise UsageError(
                f"cannot keep services in {self.path}: {error.strerror}; "
                f"set ATELIER_HOME to a folder of your own, or {OWN_SERVERS}"
            ) from error

    def log(self, name: str) -> Path:
        """Return the log file of the keeper or a server."""
        return self.path / "log" / f"{name}.log"

    def write_record(self, services: Services, pids: dict[str, int]) -> None:
        """Publish that the services are ready."""
        new = self.record.with_suffix(".new")
        new.write_text(json.dumps(asdict(services) | {"pids": pids}))
        new.replace(self.record)

    def read_record(self) -> Running | None:
        """Return the services of this home when they are ready."""
        if self.keeper() is None:
            return None
        try:
            record = json.loads(self.record.read_text())
        except FileNotFoundError:
            return None
        services = Services(record["database_url"], record["broker_url"])
        return Running(services, record["pids"], self.lasting.exists())

    def keeper(self) -> int | None:
        """Return the process id of the live keeper, which may still be starting or stopping."""
        try:
            lock = os.open(self.keeper_lock, os.O_RDWR)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            raise UsageError(f"the services of {self.path} belong to another user") from None
        try:
            query = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(FLOCK, fcntl.fcntl(lock, fcntl.F_GETLK, query))
        finally:
            os.close(lock)
        return None if kind == fcntl.F_UNLCK else int(pid)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Hold the keeper's lock. It is a POSIX lock, which can name its holder."""
        lock = open_lock(self.keeper_lock)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def wait_for_keeper_to_leave(self) -> None:
        """Block until the keeper has ended. Its own timeouts bound the wait."""
        lock = open_lock(self.keeper_lock)
        try:
            fcntl.lockf(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)


def open_lock(path: Path) -> int:
    """Open a lock file. Programs started later do not inherit the descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


@contextmanager
def locked(path: Path, operation: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Wait for an flock, and hold it in the block."""
    lock = open_lock(path)
    try:
        fcntl.flock(lock, operation)
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing does not unlock while a forked child has the descriptor too
        os.close(lock)
