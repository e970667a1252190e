"""Supervise the embedded servers: ``python -m shared.embedded.keeper HOME`` owns both servers of a home.

The keeper starts them, reports the result on stdout as one line of JSON, and restarts a server that
dies. It stops both on SIGTERM, or when no command is attached any more. When the keeper itself is
killed, the kernel tells the servers to stop (``child.py``).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from shared.embedded.home import OWN_SERVERS, Home, Services, open_lock
from shared.embedded.postgres import Postgres
from shared.embedded.redis import Redis
from shared.embedded.server import Account
from shared.errors import AtelierError, InvalidInput, Unavailable

NOBODY_ATTACHED = signal.SIGUSR1
RESTARTS_PER_MINUTE = 5
OTHERWISE = f"run as an ordinary user who owns ATELIER_HOME, or {OWN_SERVERS}"

log = logging.getLogger("atelier.keeper")


def main() -> None:
    """Detach from the starting process, and supervise the services of a home."""
    home = Home(Path(sys.argv[1]))
    if os.fork():
        os._exit(0)  # the starter waits for the report only, not for this process
    os.umask(0o077)
    os.chdir("/")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with home.kept():
        try:
            keeper = Keeper(home)
        except (AtelierError, OSError) as error:
            report_failure(error)
        else:
            keeper.run()


class Keeper:
    """Supervise Postgres and Redis."""

    def __init__(self, home: Home) -> None:
        self.home = home
        account = Account.choose()
        self.guard = guard_directory(home.path)
        sockets = self.guard / "run"
        account.make_directory(sockets)
        self.postgres = Postgres(home, sockets, account)
        self.redis = Redis(home, sockets, account)
        self.servers = (self.postgres, self.redis)
        self.restarts: list[float] = []

    def run(self) -> None:
        """Start the servers, watch them, stop them."""
        # Blocked signals wait for sigwait: a SIGTERM during the start takes effect after it.
        signal.pthread_sigmask(signal.SIG_BLOCK, self.awaited())
        try:
            self.start()
            threading.Thread(target=self.wait_until_unused, daemon=True).start()
            self.watch()
        except (AtelierError, OSError) as error:
            log.error("giving up: %s", error)
            report_failure(error)
        finally:
            self.stop()

    def awaited(self) -> set[signal.Signals]:
        """Return the signals that the keeper handles."""
        return {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, NOBODY_ATTACHED}

    def start(self) -> None:
        """Start both servers side by side, and report when they are ready."""
        self.redis.start()
        self.postgres.start()
        for server in self.servers:
            server.wait_until_ready()
        self.publish()
        report({"ready": True})

    def publish(self) -> None:
        """Record the URLs and process ids of the services."""
        pids = {"keeper": os.getpid()} | {server.name: server.pid for server in self.servers}
        self.home.write_record(Services(self.postgres.url, self.redis.url), pids)
        log.info("ready: %s", pids)

    def wait_until_unused(self) -> None:
        """Send the signal that no command is attached any more. Runs in a thread of its own.

        The lock stays held until the keeper ends, so a command that attaches meanwhile waits for that.
        """
        lock = open_lock(self.home.attached_lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if self.home.lasting.exists():
            os.close(lock)  # from now on only SIGTERM ends the keeper
        else:
            os.kill(os.getpid(), NOBODY_ATTACHED)

    def watch(self) -> None:
        """Restart servers that die. Returns when it is time to stop."""
        while True:
            received = signal.sigwait(self.awaited())
            if received != signal.SIGCHLD:
                reason = "no command is attached" if received == NOBODY_ATTACHED else "signal received"
                log.info("stopping: %s", reason)
                return
            for server in self.servers:
                if server.has_exited():
                    log.warning("%s died (exit status %s)", server.name, server.process and server.process.returncode)
                    self.count_restart()
                    server.start()
                    server.wait_until_ready()
                    self.publish()

    def count_restart(self) -> None:
        """Count a restart. Raises Unavailable when a server keeps crashing."""
        now = time.monotonic()
        self.restarts = [then for then in self.restarts if then > now - 60] + [now]
        if len(self.restarts) > RESTARTS_PER_MINUTE:
            raise Unavailable("the embedded servers keep crashing; giving up")

    def stop(self) -> None:
        """Stop the servers, and delete everything but their data."""
        self.home.record.unlink(missing_ok=True)
        for server in self.servers:
            server.stop()
        shutil.rmtree(self.guard, ignore_errors=True)
        log.info("stopped")


def guard_directory(home: Path) -> Path:
    """Return a directory for sockets that only this user can enter. Sockets need short and plain paths.

    Its name is derived from the home, so that a client finds the sockets again after a restart.
    It is not below /run/user, which is deleted when the user logs out while lasting services run on.
    """
    base = tempfile.gettempdir()
    if not re.fullmatch(r"[A-Za-z0-9/._-]{1,60}", base):
        base = "/tmp"
    name = "atelier-" + hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    guard = Path(base) / name
    with suppress(FileExistsError):
        guard.mkdir(mode=0o700)
    status = guard.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077:
        return guard
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))  # the path belongs to somebody else


def report_failure(error: AtelierError | OSError) -> None:
    """Report to the starter, if it still listens, why the services do not run."""
    text = str(error) if isinstance(error, AtelierError) else f"cannot start services: {error}; {OTHERWISE}"
    report({"error": text, "usage": isinstance(error, InvalidInput)})


def report(message: dict[str, object]) -> None:
    """Send the one message to the starter, and close stdout, which it reads to the end."""
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(message).encode())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


if __name__ == "__main__":
    main()
