"""Workers to break, the batch they work on, and a watch on both."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from end_state import Pictures, assert_end_state
from PIL import Image
from sqlalchemy import text
from worker_with_faults import MARK

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import DatabaseUnavailable
from shared.look import Look
from shared.queue import batches
from shared.queue.batches import Batch
from shared.queue.dispatch import dispatch

LOOK = Look((("starry-night", 1.0),))
PATIENCE_SECONDS = 100.0
LEASED = "SELECT count(*) FROM chunks WHERE lease_expires_at IS NOT NULL"


def eventually(true: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something that another process brings about."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come true in {seconds:.0f} s"
        time.sleep(0.03)


def photos(folder: Path, number: int, *, marked: tuple[int, ...] = (), side: int = 96) -> Path:
    """Make so many small pictures, all different."""
    folder.mkdir()
    for n in range(number):
        picture = Image.radial_gradient("L").resize((side, side)).convert("RGB")
        picture.putpixel((0, 0), (n % 256, n // 256, 7))
        path = folder / f"{n:04}.png"
        picture.save(path)
        if n in marked:
            path.write_bytes(path.read_bytes() + MARK)
    return folder


class Nursery:
    """The process that forks workers, see ``worker_with_faults.py``; one for all tests."""

    def __init__(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ATELIER_")}
        command = [sys.executable, str(Path(__file__).with_name("worker_with_faults.py"))]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)

    def fork(self, wanted: dict[str, object]) -> int:
        """Start a worker; return its process id."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the nursery; its workers must be gone by then."""
        self._process.kill()
        self._process.communicate()


@dataclass
class Crew:
    """A session, and workers that work for it."""

    session: Session
    folder: Path
    nursery: Nursery
    reference: Pictures = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    """Of the workers, besides what the session says."""
    _workers: dict[int, int] = field(default_factory=dict)
    _homes: int = 0

    def start(self, fault: str = "none", argument: object = "", command: str = "worker") -> int:
        """Start a worker (or beat) with a home of its own, as on another host; return its process id."""
        settings = self.session.settings
        self._homes += 1
        assert settings.database_url
        assert settings.broker_url
        environment = {
            "ATELIER_HOME": str(self.folder / f"home-{self._homes}"),
            "ATELIER_STORE_URL": self.session.store.url,
            "ATELIER_DATABASE_URL": settings.database_url.get_secret_value(),
            "ATELIER_BROKER_URL": settings.broker_url.get_secret_value(),
            "ATELIER_LEASE_SECONDS": "10",
            "ATELIER_SWEEP_SECONDS": "0.5",
            "ATELIER_LOG_LEVEL": "info",
        } | self.environment
        wanted = {"fault": fault, "argument": str(argument), "folder": str(self.folder), "environment": environment}
        pid = self.nursery.fork(wanted | {"command": command})
        with suppress(ProcessLookupError):  # it may have been quick to die
            self._workers[pid] = os.pidfd_open(pid)
        return pid

    def gone(self, pid: int, seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait for the end of a worker."""
        if pid in self._workers and select.select([self._workers[pid]], [], [], seconds)[0]:
            os.close(self._workers.pop(pid))
        return pid not in self._workers

    def kill(self, pid: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal and wait for the worker's end."""
        os.kill(pid, how)
        assert self.gone(pid), f"the worker did not end by {how.name}"

    def close(self) -> None:
        """End all workers."""
        for pid in list(self._workers):
            if not self.gone(pid, 0):
                self.kill(pid)

    def submit(self, number: int, *, marked: tuple[int, ...] = (), name: str = "photos", look: Look = LOOK) -> Batch:
        """Submit small pictures in chunks of about four."""
        order = Order("shop", open_manifest([str(photos(self.folder / name, number, marked=marked))]), (look,))
        return submit_batch(self.session, order).batch

    def batch(self, batch_id: UUID) -> Batch:
        """Return a batch as it stands; a database that is just restarting is asked again."""
        while True:
            try:
                with transaction(self.session.engine) as connection:
                    return batches.get_batch(connection, batch_id)
            except DatabaseUnavailable:
                time.sleep(0.05)

    def pause(self, batch: Batch, *, paused: bool) -> None:
        """Let a batch rest, or go on."""
        with transaction(self.session.engine) as connection:
            batches.set_paused(connection, batch, paused=paused)
        dispatch(self.session.engine, self.session.broker)

    def waiting_readers(self) -> int:
        """Connections to Redis that wait for messages: two of each idle worker."""
        with self.session.broker.app.connection_for_read() as connection:
            return int(connection.default_channel.client.info("clients")["blocked_clients"])

    def done(self, batch_id: UUID, at_least: int) -> None:
        """Wait until so many jobs have ended."""
        eventually(lambda: self.batch(batch_id).done >= at_least, f"{at_least} jobs done")

    def finished(self, batch_id: UUID) -> None:
        """Wait until a batch is no longer running."""
        eventually(lambda: self.batch(batch_id).state != "running", "the end of the batch")
        eventually(lambda: not self.scalar(LEASED), "the release of the last chunk")

    def assert_end_state(self, batch_id: UUID) -> dict[str, int]:
        """Check a batch that has ended in every respect; return its jobs by state."""
        return assert_end_state(self.session, batch_id, self.reference)

    def log(self) -> str:
        """Return what the workers have logged."""
        return (self.folder / "workers.log").read_text()

    def last_words(self) -> str:
        """Return what the workers have logged last, if anything."""
        log = self.folder / "workers.log"
        return log.read_text()[-10_000:] if log.exists() else ""

    def complaint(self, words: str) -> None:
        """Wait until a worker logs something once more."""
        before = self.log().count(words)
        eventually(lambda: self.log().count(words) > before, f"a complaint about {words}")

    def let_leases_expire(self) -> None:
        """Let time pass for the leases of dead workers, so that tests need not wait for it."""
        with transaction(self.session.engine) as connection:
            connection.execute(
                text("UPDATE chunks SET lease_expires_at = clock_timestamp() WHERE lease_expires_at IS NOT NULL")
            )

    def scalar(self, query: str) -> object:
        """Return one value of the database."""
        with transaction(self.session.engine) as connection:
            return connection.execute(text(query)).scalar_one()

    def column(self, query: str) -> Sequence[object]:
        """Return a column of what the database has."""
        with transaction(self.session.engine) as connection:
            return connection.execute(text(query)).scalars().all()

    def puts(self) -> int:
        """Renditions stored so far, those stored twice counted twice."""
        log = self.folder / "puts.log"
        return log.read_text().count("renditions/") if log.exists() else 0
