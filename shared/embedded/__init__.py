"""Embedded mode: run real Redis and Postgres servers from wheels, for a machine that has none.

A command *attaches* while it runs. The first command starts a keeper (``shared/embedded/keeper.py``),
a small supervisor process that owns both servers. When the last command ends, even by ``kill -9``, the
keeper stops the servers, unless a command asked for lasting services; those run until ``stop``.

Only entry points import this package: all other code sees two URLs.
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
    """Start or reuse the services of ``home``, and keep them running until the block ends.

    With ``lasting`` they run on until ``stop``. Raises UsageError where they can never run (no wheel
    for this machine, ``home`` not writable) and Unavailable when they do not start.
    """
    services_home = Home(home)
    services_home.prepare()
    with locked(services_home.attached_lock, fcntl.LOCK_SH):
        with locked(services_home.start_lock):
            services = reuse(services_home) or launch(services_home)
        if lasting:
            services_home.lasting.touch()
        yield services


def start(home: Path) -> Services:
    """Start services that last until ``stop``; return when they are ready."""
    with attached(home, lasting=True) as services:
        return services


def stop(home: Path) -> bool:
    """Stop the services, even while commands use them. Returns False when none run."""
    services_home = Home(home)
    if services_home.keeper() is None:
        return False
    with locked(services_home.start_lock):
        keeper = services_home.keeper()
        if keeper is None:
            return False
        if keeper <= 0:
            raise UsageError(f"the services of {services_home.path} run in another container: stop them there")
        os.kill(keeper, signal.SIGTERM)
        services_home.wait_for_keeper_to_leave()
        services_home.lasting.unlink(missing_ok=True)
    return True


def status(home: Path) -> Services | None:
    """Return the URLs of the services when they are ready."""
    record = running(home)
    return record.services if record else None


def running(home: Path) -> Running | None:
    """Return the URLs and process ids of the services when they are ready."""
    return Home(home).read_record()


def reuse(home: Home) -> Services | None:
    """Return running services. Waits for a keeper that is still starting, even if its starter was killed."""
    while home.keeper() is not None:
        record = home.read_record()
        if record:
            return record.services
        time.sleep(0.01)
    return None


def launch(home: Home) -> Services:
    """Start a keeper and wait for its report, the only thing that it writes to stdout."""
    home.record.unlink(missing_ok=True)
    home.lasting.unlink(missing_ok=True)
    command = [sys.executable, "-m", "shared.embedded.keeper", str(home.path)]
    project = Path(__file__).parents[2]  # so that -m finds this package even where it is not installed
    with home.log("keeper").open("ab") as log:
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
    record = home.read_record() if report.get("ready") else None
    if record:
        return record.services
    message = report.get(
        "error", f"the process that starts the embedded servers died: see {home.log('keeper')}, or {OWN_SERVERS}"
    )
    raise UsageError(message) if report.get("usage") else Unavailable(message)
