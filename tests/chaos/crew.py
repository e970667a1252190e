"""Workers to break, the batch they work on, and a watch on both."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from PIL import Image
from sqlalchemy import Connection, text

from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import DatabaseUnavailable, Unavailable
from shared.look import Look
from shared.queue import batches
from shared.queue.batches import Batch
from shared.queue.dispatch import dispatch
from tests.chaos.end_state import Pictures, assert_end_state
from tests.chaos.worker_with_faults import MARK
from tests.waiting import LIMIT_SECONDS, POLL_SECONDS, wait_until

Answer = TypeVar("Answer")

LOOK = Look((("starry-night", 1.0),))
LEASED = "SELECT count(*) FROM chunks WHERE lease_expires_at IS NOT NULL"

LEASE_SECONDS = 2 * int(LIMIT_SECONDS)
"""Longer than any test waits, so that no lease ends because a machine is slow: tests end those of dead workers."""

OUTAGE_LEASE_SECONDS = 30
"""Of tests after which a chunk may be leased by nobody, as where a claim was committed and its worker not told."""

LONG_JOBS = 100
"""Of a batch of the long forms."""

QUEUED = "SELECT count(*) FROM jobs WHERE state = 'queued'"


def photos(folder: Path, number: int, *, marked: Collection[int] = (), side: int = 96, trailer: bytes = b"") -> Path:
    """Make so many small pictures, all different; with a trailer they are other files of the same pixels."""
    folder.mkdir(exist_ok=True)
    for n in range(number):
        picture = Image.radial_gradient("L").resize((side, side)).convert("RGB")
        picture.putpixel((0, 0), (n % 256, n // 256, 7))
        path = folder / f"{n:04}.png"
        picture.save(path)
        path.write_bytes(path.read_bytes() + trailer + (MARK if n in marked else b""))
    return folder


class WorkerForker:
    """The process that forks workers, see ``worker_with_faults.py``; one for all tests."""

    def __init__(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ATELIER_")}
        command = [sys.executable, "-m", "tests.chaos.worker_with_faults"]
        pipe, root = subprocess.PIPE, Path(__file__).parents[2]
        self._process = subprocess.Popen(command, env=environment, cwd=root, stdin=pipe, stdout=pipe, text=True)

    def fork(self, wanted: dict[str, object]) -> int:
        """Start a worker; return its process id."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the forker; its workers must be gone by then."""
        self._process.kill()
        self._process.communicate()


@dataclass
class Crew:
    """A session, and workers that work for it."""

    session: Session
    folder: Path
    forker: WorkerForker
    reference: Pictures = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    """Of the workers, besides what the session says."""
    leases_run_out: bool = False
    """Whether the leases of a supervised worker that ended run out by themselves."""
    batches: list[Batch] = field(default_factory=list)
    _workers: dict[int, int] = field(default_factory=dict)
    _supervised: set[int] = field(default_factory=set)
    _homes: int = 0
    _endless: bool = False

    def start(
        self, fault: str = "none", argument: object = "", command: str = "worker", *, supervised: bool = False
    ) -> int:
        """Start a worker (or beat) with a home of its own, as on another host; return its process id.

        One that is supervised is started again where it ends, as by systemd or Kubernetes.
        """
        settings = self.session.settings
        self._homes += 1
        assert settings.database_url
        assert settings.broker_url
        environment = {
            "ATELIER_HOME": str(self.folder / f"home-{self._homes}"),
            "ATELIER_STORE_URL": self.session.store.url,
            "ATELIER_DATABASE_URL": settings.database_url.get_secret_value(),
            "ATELIER_BROKER_URL": settings.broker_url.get_secret_value(),
            "ATELIER_LEASE_SECONDS": str(LEASE_SECONDS),
            "ATELIER_SWEEP_SECONDS": "0.5",
            "ATELIER_LOG_LEVEL": "info",
        } | self.environment
        wanted: dict[str, object] = {
            "fault": fault,
            "argument": str(argument),
            "folder": str(self.folder),
            "environment": environment,
        }
        pid = self.forker.fork(wanted | {"command": command})
        with suppress(ProcessLookupError):  # it may have been quick to die
            self._workers[pid] = os.pidfd_open(pid)
        if supervised:
            self._supervised.add(pid)
        return pid

    @property
    def supervised(self) -> list[int]:
        """The workers that are started again where they end."""
        return sorted(self._supervised)

    def gone(self, pid: int, seconds: float = LIMIT_SECONDS) -> bool:
        """Wait for the end of a worker."""
        if pid in self._workers and select.select([self._workers[pid]], [], [], seconds)[0]:
            os.close(self._workers.pop(pid))
        return pid not in self._workers

    def kill(self, pid: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal and wait for the worker's end; it may have ended by itself."""
        self.send(pid, how)
        assert self.gone(pid), f"the worker did not end by {how.name}"

    def send(self, pid: int, how: signal.Signals) -> None:
        """Send a signal to a worker, unless it has ended."""
        with suppress(ProcessLookupError):
            if not self.gone(pid, 0):
                signal.pidfd_send_signal(self._workers[pid], how)

    def close(self) -> None:
        """End all workers."""
        for pid in list(self._workers):
            if not self.gone(pid, 0):
                self.kill(pid)

    def submit(
        self,
        number: int,
        *,
        marked: Collection[int] = (),
        name: str = "photos",
        look: Look = LOOK,
        trailer: bytes = b"",
    ) -> Batch:
        """Submit small pictures in chunks of four."""
        folder = photos(self.folder / name, number, marked=marked, trailer=trailer)
        batch = submit_batch(self.session, Order("shop", open_manifest([str(folder)]), (look,))).batch
        self.batches.append(batch)
        return batch

    @contextmanager
    def endless_work(self) -> Iterator[None]:
        """Submit more whenever work runs short, until the end of the block: no worker is through before a test is."""
        self._endless = True
        try:
            yield
            self.wait_until(lambda: not self._begun().exists(), "the end of a submission that was interrupted")
        finally:
            self._endless = False

    def wait_until(self, condition: Callable[[], object], event: str) -> None:
        """Wait for what workers bring about; meanwhile work does not end, nor do those that are supervised."""

        def look() -> object:
            with suppress(Unavailable):  # a service may be what a test breaks
                self._supervise()
                self._supply()
            return condition()

        wait_until(look, event)

    def _supervise(self) -> None:
        for pid in list(self._supervised):
            if self.gone(pid, 0):
                if not self.leases_run_out:
                    self.end_leases(pid)
                self._supervised.remove(pid)
                self.start(supervised=True)

    def _supply(self) -> None:
        more = self._begun()
        if self._endless and (more.exists() or int(str(self.scalar(QUEUED))) < 24):
            self.submit(32, name=more.name, trailer=more.name.encode())

    def _begun(self) -> Path:
        """Return the folder of the next batch of endless work: it is there where its submission was interrupted."""
        return self.folder / f"more-{len(self.batches)}"

    def batch(self, batch_id: UUID) -> Batch:
        """Return a batch as it stands."""
        return self._ask(lambda connection: batches.get_batch(connection, batch_id))

    def _ask(self, query: Callable[[Connection], Answer]) -> Answer:
        """Ask the database, again and again while it is away: a test may just have cut it off."""
        while True:
            try:
                with transaction(self.session.engine) as connection:
                    return query(connection)
            except DatabaseUnavailable:
                time.sleep(POLL_SECONDS)

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
        self.wait_until(lambda: self.batch(batch_id).done >= at_least, f"{at_least} jobs done")

    def more_done(self, jobs: int) -> None:
        """Wait until so many more jobs have ended, of whatever batch."""
        ended = "SELECT count(*) FROM jobs WHERE state <> 'queued'"
        before = int(str(self.scalar(ended)))
        self.wait_until(lambda: int(str(self.scalar(ended))) >= before + jobs, f"{jobs} more jobs done")

    def finished(self, batch_id: UUID) -> None:
        """Wait until a batch is no longer running."""
        self.wait_until(lambda: self.batch(batch_id).state != "running", "the end of the batch")
        self.wait_until(lambda: not self.scalar(LEASED), "the release of the last chunk")

    def assert_end_state(self, batch_id: UUID) -> dict[str, int]:
        """Check a batch that has ended in every respect; return its jobs by state."""
        return assert_end_state(self.session, batch_id, self.reference)

    def assert_all_succeed(self) -> None:
        """Wait for the end of all batches and check them; each job must have succeeded."""
        for batch in self.batches:
            self.finished(batch.id)
        for batch in self.batches:
            assert self.assert_end_state(batch.id) == {"succeeded": batch.total, "failed": 0, "cancelled": 0}

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
        self.wait_until(lambda: self.log().count(words) > before, f"a complaint about {words}")

    def end_leases(self, pid: int | None = None) -> None:
        """End the leases of a worker that has died, or all: no test waits for the time that they have left."""
        end = text("""
            UPDATE chunks SET lease_expires_at = clock_timestamp() WHERE lease_expires_at IS NOT NULL
              AND (CAST(:pid AS int) IS NULL OR worker_id IN (SELECT id FROM workers WHERE pid = :pid))
        """)
        self._ask(lambda connection: connection.execute(end, {"pid": pid}))

    def scalar(self, query: str) -> object:
        """Return one value of the database."""
        return self._ask(lambda connection: connection.execute(text(query)).scalar_one())

    def column(self, query: str) -> Sequence[object]:
        """Return a column of what the database has."""
        return self._ask(lambda connection: connection.execute(text(query)).scalars().all())

    def puts(self) -> int:
        """Renditions stored so far, those stored twice counted twice."""
        log = self.folder / "puts.log"
        return log.read_text().count("renditions/") if log.exists() else 0
