"""What the queue costs: workers whose fetching, codecs, generator and puts are stand-ins. Run it as

    python -m tests.bench.machinery --help

Jobs lie in Postgres; workers take them from the first dispatch to the last counter. Besides the rate,
which depends on who else uses the machine, it prints the core-seconds that workers, Postgres and Redis
spent on a job, which hardly do, and what crossed the border to Postgres. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.queue import batches
from shared.queue.batches import Batch
from shared.queue.dispatch import dispatch
from tests.bench.installation import (
    ROOT,
    core_seconds,
    environment_of,
    installation,
    postgres_core_seconds,
    server_pids,
)
from tests.bench.results import results_folder
from tests.builders import FAILED_IN, add_finished, add_waiting

WARM_SHARE = 0.1
"""Of the jobs, done before the clock starts."""

FINISHED_JOBS = 500_000
"""Jobs in one batch of the past."""


@dataclass(frozen=True)
class Setting:
    """What is measured."""

    workers: int
    jobs: int
    tables: int
    chunk_jobs: int
    wait_seconds: float


@dataclass(frozen=True)
class Spent:
    """Core-seconds so far, by who spent them."""

    workers: float
    postgres: float
    redis: float


@dataclass(frozen=True)
class Measured:
    """One run. ``per_chunk``: statements, transactions and round trips to Postgres for one chunk."""

    jobs_done: int
    jobs_per_second: float
    core_microseconds_per_job: dict[str, float]
    per_chunk: dict[str, float]
    redis_bytes: int


def spent(workers: list[int], servers: dict[str, int]) -> Spent:
    return Spent(
        sum(core_seconds(pid) for pid in workers),
        postgres_core_seconds(servers["postgres"]),
        core_seconds(servers["redis"]),
    )


def launch(session: Session, setting: Setting, home: Path) -> subprocess.Popen[bytes]:
    """Start a worker with a home of its own."""
    environment = environment_of(session, home) | {
        "ATELIER_LANES": "1",
        "ATELIER_MINIBATCH": "1" if setting.wait_seconds else "16",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.bench.worker_with_stand_ins", str(setting.wait_seconds)]
    home.mkdir()
    with (home / "log").open("w") as log:
        return subprocess.Popen(command, env=environment, cwd=home, stdin=subprocess.PIPE, stdout=log, stderr=log)


@contextmanager
def crew(session: Session, setting: Setting, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run workers until the end of the block."""
    workers = [launch(session, setting, folder / f"home{number}") for number in range(setting.workers)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def leave(workers: list[subprocess.Popen[bytes]], folder: Path) -> Counter[str]:
    """Let workers end in good order; return what they counted, together."""
    for worker in workers:
        worker.terminate()
    counted: Counter[str] = Counter()
    for number, worker in enumerate(workers):
        worker.wait()
        counted.update(json.loads((folder / f"home{number}" / "counted.json").read_text()))
    return counted


def done(session: Session, batch: UUID) -> int:
    with transaction(session.engine) as connection:
        return batches.get_batch(connection, batch).done


def wait_until(session: Session, batch: UUID, jobs: int) -> None:
    while done(session, batch) < jobs:
        time.sleep(0.05)


def wait_for_workers(session: Session, workers: list[subprocess.Popen[bytes]]) -> None:
    """Wait until all workers have come up. Raises RuntimeError if one has ended instead: its log says why."""
    up = 0
    while up < len(workers):
        time.sleep(0.1)
        if ended := [worker.args for worker in workers if worker.poll() is not None]:
            raise RuntimeError(f"{len(ended)} workers ended before they began: their logs say why")
        with transaction(session.engine) as connection:
            up = int(connection.execute(text("SELECT count(*) FROM workers")).scalar_one())


def begin(session: Session, batch: Batch) -> None:
    """Let the work begin."""
    with transaction(session.engine) as connection:
        batches.set_paused(connection, batch, paused=False)
    dispatch(session.engine, session.broker)


def redis_bytes(session: Session) -> int:
    """Memory of all keys in Redis."""
    with session.broker.app.connection_for_read() as connection:
        client = connection.default_channel.client
        return sum(int(client.memory_usage(key) or 0) for key in client.scan_iter())


def measure(session: Session, setting: Setting, *, warm_share: float = WARM_SHARE) -> Measured:
    """Let workers do so many of the jobs that wait, and see what it takes after a share of them."""
    folder, servers = session.settings.home, server_pids(session)
    with transaction(session.engine) as connection:
        backlog = max(setting.tables // 5, int(setting.jobs * 1.3))
        batch = add_waiting(connection, "bench", backlog, chunk_jobs=setting.chunk_jobs)
        batches.set_paused(connection, batch, paused=True)
    with crew(session, setting, folder) as workers:
        pids = [worker.pid for worker in workers]
        wait_for_workers(session, workers)
        warm = int(setting.jobs * warm_share)
        if warm:
            begin(session, batch)
            wait_until(session, batch.id, warm)
        first, started, before = done(session, batch.id), time.perf_counter(), spent(pids, servers)
        if not warm:
            begin(session, batch)
        wait_until(session, batch.id, setting.jobs)
        last, ended, after = done(session, batch.id), time.perf_counter(), spent(pids, servers)
        held = redis_bytes(session)
        counted = leave(workers, folder)
    jobs = last - first
    cost = {name: round((getattr(after, name) - value) / jobs * 1e6, 1) for name, value in asdict(before).items()}
    return Measured(
        jobs_done=jobs,
        jobs_per_second=round(jobs / (ended - started), 1),
        core_microseconds_per_job=cost | {"all": round(sum(cost.values()), 1)},
        per_chunk={name: round(n / counted["chunks"], 1) for name, n in counted.items() if name != "chunks"},
        redis_bytes=held,
    )


def run(setting: Setting) -> Measured:
    """Measure on an installation of its own, over tables filled before."""
    with installation() as session:
        fill(session, setting.tables)
        return measure(session, setting)


def fill(session: Session, tables: int) -> None:
    """Fill the tables with batches that are over, four fifths of so many jobs; the rest is to wait."""
    past = max(0, tables * 4 // 5)
    for size in [FINISHED_JOBS] * (past // FINISHED_JOBS) + [past % FINISHED_JOBS] * (past >= FAILED_IN):
        with transaction(session.engine) as connection:
            add_finished(connection, "past", size)
    if tables:  # by itself it comes a minute later; tables that were never filled have none
        with session.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("VACUUM (ANALYZE)"))


def main() -> None:
    """Measure each setting so many times in turn, so that a machine whose speed drifts spoils no comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[4], help="worker processes")
    parser.add_argument("--jobs", type=int, default=30_000, help="jobs to be done in a run")
    parser.add_argument("--tables", type=int, nargs="+", default=[0], help="jobs in the tables before")
    parser.add_argument("--chunk-jobs", type=int, nargs="+", default=[64], help="jobs in a chunk")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds that the generator waits for an image")
    parser.add_argument("--times", type=int, default=1, help="runs of each setting")
    asked = parser.parse_args()
    settings = [
        Setting(workers, asked.jobs, tables, chunk_jobs, asked.wait)
        for workers in asked.workers
        for tables in asked.tables
        for chunk_jobs in asked.chunk_jobs
    ]
    found: dict[Setting, list[Measured]] = {setting: [] for setting in settings}
    for _ in range(asked.times):
        for setting in settings:
            found[setting].append(run(setting))
            sys.stdout.write(f"{asdict(setting)}\n    {asdict(found[setting][-1])}\n")
            sys.stdout.flush()
    lines = [asdict(setting) | {"runs": [asdict(one) for one in runs]} for setting, runs in found.items()]
    (results_folder() / "machinery.json").write_text(json.dumps(lines, indent=1) + "\n")


if __name__ == "__main__":
    main()
