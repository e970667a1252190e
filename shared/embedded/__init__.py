"""Embedded mode: real Redis and Postgres servers from wheels, for a machine that has none.

A command *attaches* for as long as it runs. The first to attach starts a keeper
(``shared/embedded/keeper.py``), a small process of its own that owns both servers. When the last
has left, even by ``kill -9``, the keeper stops them, unless one asked for services that last;
those stay until ``stop``.

Only entry points know this package: everything else sees two URLs.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.embedded.home import OWN_SERVERS, Home, Running, Services, locked
from shared.errors import Unavailable, UsageError

__all__ = ["Running", "Services", "attached", "running", "start", "status", "stop"]


@contextmanager
def attached(home: Path, *, lasting: bool) -> Iterator[Services]:
    """Start the services of ``home``, or reuse them, and hold on to them until the block ends.

    With ``lasting`` they stay after that, until ``stop``. Raises UsageError where they can never
    run (no wheel for this machine, ``home`` not writable) and Unavailable where they did not start.
    """
    where = Home(home)
    where.prepare()
    with locked(where.attached_lock, fcntl.LOCK_SH):
        with locked(where.start_lock):
            services = reuse(where) or launch(where)
        if lasting:
            where.lasting.touch()
        yield services


def start(home: Path) -> Services:
    """Start services that last until ``stop``; return when they are ready."""
    with attached(home, lasting=True) as services:
        return services


def stop(home: Path) -> bool:
    """Stop the services, whoever uses them; return False where nothing ran."""
    where = Home(home)
    if where.keeper() is None:
        return False
    with locked(where.start_lock):
        keeper = where.keeper()
        if keeper is None:
            return False
        if keeper <= 0:
            raise UsageError(f"the services of {where.path} run in another container: stop them there")
        os.kill(keeper, signal.SIGTERM)
        where.wait_for_keeper_to_leave()
        where.lasting.unlink(missing_ok=True)
    return True


def status(home: Path) -> Services | None:
    """Return the URLs of services that run and are ready."""
    found = running(home)
    return found.services if found else None


def running(home: Path) -> Running | None:
    """Return URLs and process ids of services that run and are ready."""
    return Home(home).read_record()


def reuse(where: Home) -> Services | None:
    """Return services that run. A keeper whose starter was killed may still be starting them."""
    while where.keeper() is not None:
        found = where.read_record()
        if found:
            return found.services
        time.sleep(0.01)
    return None


def launch(where: Home) -> Services:
    """Start a keeper and wait for its report, which is all it ever writes to stdout."""
    where.record.unlink(missing_ok=True)
    where.lasting.unlink(missing_ok=True)
    command = [sys.executable, "-m", "shared.embedded.keeper", str(where.path)]
    project = Path(__file__).parents[2]  # so that -m finds this package, installed or not
    with where.log("keeper").open("ab") as log:
        process = subprocess.run(
            command,
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            check=False,
        )
    report = json.loads(process.stdout or b"{}")
    found = where.read_record() if report.get("ready") else None
    if found:
        return found.services
    message = report.get("error", f"the keeper of the services died: see {where.log('keeper')}, or {OWN_SERVERS}")
    raise UsageError(message) if report.get("usage") else Unavailable(message)
