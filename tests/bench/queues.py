"""What a queue costs by itself: Atelier's machinery beside a plain Celery group and Dramatiq. Run it as

    python -m tests.bench.queues --help

The same number of worker processes on the same Redis and Postgres, in turn in one run. The rivals' jobs do nothing, or
write one row's state, which is the least that a job must leave behind; Atelier's write renditions, links, states and
counters under leases. What waits is there before the workers start; measured is from a fifth to four fifths of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from celery import group
from redis import Redis
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from tests.bench import machinery
from tests.bench.installation import ROOT, children, installation, server_pids
from tests.bench.machinery import Setting, spent
from tests.bench.plot import bars
from tests.bench.results import machine, results_folder, write_results

BETWEEN = (0.2, 0.8)
"""Shares of the jobs between which a rival is measured."""


@dataclass(frozen=True)
class Rival:
    """A queue: how its jobs are enqueued and how its worker processes are started."""

    name: str
    enqueue: Callable[[Any, int, bool], object]
    command: tuple[str, ...]
    results: bool = False


@dataclass(frozen=True)
class Measured:
    """One run."""

    jobs_done: int
    jobs_per_second: float
    core_microseconds_per_job: float


def as_group(tasks: Any, jobs: int, writes: bool) -> object:
    return group(tasks.celery_job.s(n, writes) for n in range(jobs)).apply_async()


def as_messages(tasks: Any, jobs: int, writes: bool) -> object:
    return [tasks.dramatiq_job.send(n, writes) for n in range(jobs)]


def rivals(workers: int) -> list[Rival]:
    celery = ("celery", "-A", "tests.bench.queue_tasks", "worker", "-P", "prefork", "-c", str(workers), "-l", "error")
    dramatiq = ("dramatiq", "tests.bench.queue_tasks", "--processes", str(workers), "--threads", "1")
    return [
        Rival("Celery group", as_group, celery),
        Rival("Celery group with results", as_group, celery, results=True),
        Rival("Dramatiq", as_messages, dramatiq),
    ]


def family(pid: int) -> list[int]:
    """A process and all that come from it."""
    found = [pid]
    for child in children(pid):
        found += family(child)
    return found


@contextmanager
def running(rival: Rival, environment: dict[str, str]) -> Iterator[int]:
    command = [sys.executable, "-m", *rival.command]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=quiet, stderr=quiet)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def measure(
    rival: Rival, session: Session, jobs: int, *, writes: bool, between: tuple[float, float] = BETWEEN
) -> Measured:
    """Fill the queue, start the workers, and watch the queue become shorter."""
    assert session.settings.database_url
    assert session.settings.broker_url
    servers = server_pids(session)
    broker_url = session.settings.broker_url.get_secret_value()
    redis_url = broker_url.replace("redis+socket://", "unix://")
    own = {
        "RIVAL_BROKER": broker_url,
        "RIVAL_REDIS": redis_url,
        "RIVAL_DATABASE": session.settings.database_url.get_secret_value().replace("+psycopg", ""),
    } | ({"RIVAL_BACKEND": broker_url} if rival.results else {})
    with transaction(session.engine) as connection:
        connection.execute(text("DROP TABLE IF EXISTS rival_jobs"))
        connection.execute(text("CREATE TABLE rival_jobs (id int PRIMARY KEY, state text NOT NULL)"))
        connection.execute(
            text("INSERT INTO rival_jobs SELECT n, 'queued' FROM generate_series(0, :n - 1) n"), {"n": jobs}
        )
    client = Redis.from_url(redis_url)
    client.flushall()
    code = "from tests.bench import queue_tasks, queues; import sys; "
    code += f"[r for r in queues.rivals(1) if r.name == {rival.name!r}][0].enqueue(queue_tasks, {jobs}, {writes})"
    subprocess.run([sys.executable, "-c", code], env=os.environ | own, cwd=ROOT, check=True)

    def left() -> int:
        return max(int(client.llen(name)) for name in ("jobs", "dramatiq:jobs"))

    with running(rival, os.environ | own) as pid:

        def seen(share: float) -> tuple[int, float, float]:
            while (so_far := jobs - left()) < share * jobs:
                time.sleep(0.01)
            cost = spent(family(pid), servers)
            return so_far, time.perf_counter(), cost.workers + cost.postgres + cost.redis

        first, last = (seen(share) for share in between)
    done, seconds, cores = (after - before for before, after in zip(first, last, strict=True))
    return Measured(int(done), round(done / seconds, 1), round(cores / done * 1e6, 1))


def main() -> None:
    """Let all work in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4, help="worker processes")
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs of a rival; Atelier does three times as many")
    parser.add_argument("--times", type=int, default=5, help="rounds")
    asked = parser.parse_args()
    found: dict[str, list[Measured]] = {}
    with installation() as session:
        for _ in range(asked.times):
            ours = machinery.run(Setting(asked.workers, 3 * asked.jobs, 0, 64, 0.0))
            cost = ours.core_microseconds_per_job["all"]
            note(found, "Atelier, all its rows", Measured(ours.jobs_done, ours.jobs_per_second, cost))
            for rival in rivals(asked.workers):
                for writes in (True, False):
                    measured = measure(rival, session, asked.jobs, writes=writes)
                    note(found, f"{rival.name}, {'one row' if writes else 'no row'}", measured)
    middle = {label: statistics.median(one.jobs_per_second for one in runs) for label, runs in found.items()}
    cores = {label: statistics.median(one.core_microseconds_per_job for one in runs) for label, runs in found.items()}
    write_results("queues", {"machine": machine(), "jobs_per_second": middle, "core_microseconds_per_job": cores})
    title = f"Jobs a second, {asked.workers} processes, medians of {asked.times} ({machine()})"
    bars(title, middle).save(results_folder() / "queues.png")


def note(found: dict[str, list[Measured]], label: str, measured: Measured) -> None:
    found.setdefault(label, []).append(measured)
    sys.stderr.write(f"{label}: {measured}\n")


if __name__ == "__main__":
    main()
