"""A long batch while workers are killed: whether anything is lost, and whether anything grows. Run it as

    python -m tests.bench.soak --jobs 50000

Workers have stand-ins for fetching, codecs, generator and puts, so that so many jobs pass in minutes. One worker is
never killed, and its memory, file descriptors, threads and connections are looked at all the while; the others are
killed with SIGKILL at random moments and replaced.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.queue.dispatch import dispatch
from tests.bench.installation import installation
from tests.bench.machinery import Setting, done, launch
from tests.bench.memory import memory
from tests.bench.results import machine, write_results
from tests.builders import add_waiting

OTHERS = 3
"""Workers besides the one that is never killed."""

CHUNK_JOBS = 16
SAMPLES = 20

ENDED = """
SELECT count(*) FILTER (WHERE state = 'succeeded') AS succeeded, count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state NOT IN ('succeeded', 'failed')) AS unfinished,
       (SELECT count(*) FROM job_renditions WHERE batch_id = :id) AS links,
       (SELECT count(*) - count(DISTINCT (source_sha256, look_sha256, trunk_sha256, preset)) FROM renditions)
           AS doubled,
       (SELECT succeeded FROM batches WHERE id = :id) AS counted
FROM jobs WHERE batch_id = :id
"""


def sample(session: Session, pid: int) -> dict[str, float]:
    """What a process holds now."""
    with transaction(session.engine) as connection:
        connections = connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        ).scalar_one()
    return {
        "mib": memory(pid),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "connections": connections,
    }


class Others:
    """Workers that are killed at random moments and replaced; the first as soon as it is due."""

    def __init__(self, session: Session, setting: Setting, pause_seconds: float) -> None:
        self.kills = 0
        self._session, self._setting, self._pause = session, setting, pause_seconds
        self._chance = random.Random(setting.jobs)
        self._workers = [self._launch(n) for n in range(setting.workers - 1)]
        self._next = time.monotonic()

    def _launch(self, number: int) -> subprocess.Popen[bytes]:
        return launch(self._session, self._setting, self._session.settings.home / f"other{number}")

    def kill_one_if_due(self) -> None:
        """Kill one with SIGKILL when the pause since the last is over, and start another in its place."""
        if time.monotonic() < self._next:
            return
        self.kills += 1
        end(self._workers.pop(self._chance.randrange(len(self._workers))))
        self._workers.append(self._launch(self._setting.workers + self.kills))
        self._next = time.monotonic() + self._pause * (1 + self._chance.random())

    def end(self) -> None:
        """Kill all."""
        for worker in self._workers:
            end(worker)


def end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()


def measure(session: Session, jobs: int, pause_seconds: float, *, others: int = OTHERS) -> dict[str, Any]:
    """Let a batch be done; return what was found."""
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "soak", jobs, chunk_jobs=CHUNK_JOBS)
    setting = Setting(others + 1, jobs, 0, CHUNK_JOBS, 0.0)
    steady = launch(session, setting, session.settings.home / "steady")
    killed = Others(session, setting, pause_seconds)
    samples: list[dict[str, float]] = []
    began = time.monotonic()
    try:
        so_far = 0
        while so_far < jobs:
            so_far = done(session, batch.id)
            if so_far >= (len(samples) + 1) * jobs / (SAMPLES + 1):
                samples.append(sample(session, steady.pid))
            if so_far:
                killed.kill_one_if_due()
            dispatch(session.engine, session.broker)
            time.sleep(0.1)
        seconds = time.monotonic() - began
    finally:
        end(steady)
        killed.end()
    found = {"jobs": jobs, "seconds": round(seconds), "kills": killed.kills, "samples": samples}
    return found | ended(session, batch.id)


def ended(session: Session, batch: UUID) -> dict[str, Any]:
    """Count what became of the jobs, one by one."""
    with transaction(session.engine) as connection:
        return connection.execute(text(ENDED), {"id": batch}).one()._asdict()


def main() -> None:
    """Soak, and print what was lost and what grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two kills, at least")
    asked = parser.parse_args()
    os.environ["ATELIER_LEASE_SECONDS"] = "10"
    os.environ["ATELIER_SWEEP_SECONDS"] = "1"
    with installation() as session:
        found = measure(session, asked.jobs, asked.pause)
    for one in found["samples"]:
        sys.stdout.write(f"{one}\n")
    write_results("soak", {"machine": machine()} | found)


if __name__ == "__main__":
    main()
