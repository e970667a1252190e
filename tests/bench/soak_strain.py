"""What a soak does to an installation at work: kills, a beat that stands still, exports, a host that never answers."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import text

from producer.output.export import batch_results
from shared.context import Session
from shared.database import transaction
from shared.errors import AtelierError
from shared.queue.batches import Batch
from tests.bench.installation import ROOT, environment_of
from tests.bench.machinery import Setting, launch
from tests.builders import add_waiting
from tests.raw_server import answering


def end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()


class Others:
    """Workers that are killed at random moments and replaced; the first as soon as it is due."""

    def __init__(self, session: Session, setting: Setting, pause_seconds: float) -> None:
        self.kills = 0
        self._session, self._setting, self._pause = session, setting, pause_seconds
        self._chance = random.Random(setting.jobs)
        self.workers = [self._launch(n) for n in range(setting.workers - 1)]
        self._next = time.monotonic()

    def _launch(self, number: int) -> subprocess.Popen[bytes]:
        return launch(self._session, self._setting, self._session.settings.home / f"other{number}")

    def kill_one_if_due(self) -> None:
        """Kill one with SIGKILL when the pause since the last is over, and start another in its place."""
        if time.monotonic() < self._next:
            return
        self.kills += 1
        end(self.workers.pop(self._chance.randrange(len(self.workers))))
        self.workers.append(self._launch(self._setting.workers + self.kills))
        self._next = time.monotonic() + self._pause * (1 + self._chance.random())

    def end(self) -> None:
        """Kill all."""
        for worker in self.workers:
            end(worker)


class Beat:
    """A beat that stands still for as long as it runs, by turns."""

    def __init__(self, session: Session, turn_seconds: float) -> None:
        self.stops = 0
        home = session.settings.home / "beat"
        home.mkdir()
        command = [sys.executable, "-m", "producer.commands.main", "beat"]
        with (home / "log").open("w") as log:
            self.process = subprocess.Popen(
                command, env=environment_of(session, home), cwd=ROOT, stdout=log, stderr=log
            )
        self._turn, self._stopped, self._next = turn_seconds, False, time.monotonic() + turn_seconds

    def stop_or_go_on_if_due(self) -> None:
        """Take the next turn when the last is over."""
        if time.monotonic() < self._next:
            return
        self.process.send_signal(signal.SIGCONT if self._stopped else signal.SIGSTOP)
        self._stopped = not self._stopped
        self.stops += self._stopped
        self._next = time.monotonic() + self._turn

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.communicate()


class Exports(threading.Thread):
    """Reads the results of one batch again and again; ``rows`` and ``times`` say how much that was."""

    def __init__(self, session: Session, batch: Batch) -> None:
        super().__init__(daemon=True)
        self.times = self.rows = 0
        self._session, self._batch, self._ending = session, batch, threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            with suppress(AtelierError):
                counted = deque(enumerate(batch_results(self._session, self._batch), 1), maxlen=1)
                self.rows += counted[0][0] if counted else 0
                self.times += 1

    def end(self) -> None:
        """Let it finish what it reads."""
        self._ending.set()
        self.join()


@contextmanager
def tar_pit(session: Session, merchant: str, jobs: int) -> Iterator[Batch]:
    """Give a merchant a batch whose images all lie on a host that takes every request and never answers."""
    with answering(None) as (endpoint, _):
        with transaction(session.engine) as connection:
            batch = add_waiting(connection, merchant, jobs, chunk_jobs=16)
            connection.execute(
                text("UPDATE jobs SET source = :host || '/' || ordinal || '.jpg' WHERE batch_id = :batch"),
                {"host": endpoint, "batch": batch.id},
            )
        yield batch
