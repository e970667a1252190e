"""The keeper: ``python -m shared.embedded.keeper HOME`` owns both servers of one home.

It starts them, says on stdout how that went (one line of JSON), starts again one that dies, and
stops both when told to (SIGTERM) or when nobody is attached any more. Should it be killed itself,
the kernel tells the servers to stop (``child.py``).
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
    """Detach from whoever started us, and keep the services of a home."""
    home = Home(Path(sys.argv[1]))
    if os.fork():
        os._exit(0)  # the starter waits for the report, and is nobody's parent afterwards
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
    """Keeps Postgres and Redis."""

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
        """Start, watch, stop."""
        # Blocked, they wait for sigwait; a SIGTERM during the start is obeyed after it.
        signal.pthread_sigmask(signal.SIG_BLOCK, self.awaited())
        try:
            self.start()
            threading.Thread(target=self.wait_for_nobody, daemon=True).start()
            self.watch()
        except (AtelierError, OSError) as error:
            log.error("giving up: %s", error)
            report_failure(error)
        finally:
            self.stop()

    def awaited(self) -> set[signal.Signals]:
        """Return the signals that mean something to the keeper."""
        return {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, NOBODY_ATTACHED}

    def start(self) -> None:
        """Start both servers side by side, and say that they are ready."""
        self.redis.start()
        self.postgres.start()
        for server in self.servers:
            server.wait_until_ready()
        self.publish()
        report({"ready": True})

    def publish(self) -> None:
        """Write where the services are."""
        pids = {"keeper": os.getpid()} | {server.name: server.pid for server in self.servers}
        self.home.write_record(Services(self.postgres.url, self.redis.url), pids)
        log.info("ready: %s", pids)

    def wait_for_nobody(self) -> None:
        """Signal that nobody is attached any more; runs in a thread of its own.

        The lock stays held until the keeper is gone: whoever attaches meanwhile waits for that.
        """
        lock = open_lock(self.home.attached_lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if self.home.lasting.exists():
            os.close(lock)  # from here on only SIGTERM ends it
        else:
            os.kill(os.getpid(), NOBODY_ATTACHED)

    def watch(self) -> None:
        """Return when it is time to stop."""
        while True:
            arrived = signal.sigwait(self.awaited())
            if arrived != signal.SIGCHLD:
                log.info("stopping: %s", "nobody is attached" if arrived == NOBODY_ATTACHED else "told to")
                return
            for server in self.servers:
                if server.has_exited():
                    log.warning("%s died (exit status %s)", server.name, server.process and server.process.returncode)
                    self.count_restart()
                    server.start()
                    server.wait_until_ready()
                    self.publish()

    def count_restart(self) -> None:
        """Refuse to go on when a server keeps dying."""
        now = time.monotonic()
        self.restarts = [then for then in self.restarts if then > now - 60] + [now]
        if len(self.restarts) > RESTARTS_PER_MINUTE:
            raise Unavailable("the servers die again and again")

    def stop(self) -> None:
        """Stop what runs, and take away all that is not data."""
        self.home.record.unlink(missing_ok=True)
        for server in self.servers:
            server.stop()
        shutil.rmtree(self.guard, ignore_errors=True)
        log.info("stopped")


def guard_directory(home: Path) -> Path:
    """Return a directory only we can enter, for sockets: these need short and plain paths.

    Its name follows from the home, so that a client finds the sockets again after a restart.
    Not below /run/user: that goes when the user logs out, lasting services do not.
    """
    base = tempfile.gettempdir()
    if not re.fullmatch(r"[A-Za-z0-9/._-]{1,60}", base):
        base = "/tmp"
    name = "atelier-" + hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    guard = Path(base) / name
    with suppress(FileExistsError):
        guard.mkdir(mode=0o700)
    found = guard.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077:
        return guard
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))  # somebody else has put something there


def report_failure(error: AtelierError | OSError) -> None:
    """Tell the starter, if it still listens, why the services do not run."""
    text = str(error) if isinstance(error, AtelierError) else f"cannot start services: {error}; {OTHERWISE}"
    report({"error": text, "usage": isinstance(error, InvalidInput)})


def report(message: dict[str, object]) -> None:
    """Send the one message to whoever started us, and close stdout, which they read to its end."""
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(message).encode())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


if __name__ == "__main__":
    main()
