"""Three merchants for a long time while much goes wrong: what is lost, what grows, and how long each waits. Run it as

    python -m tests.bench.soak --jobs 100000

Workers have stand-ins for fetching, codecs, generator and puts, so that so many jobs pass in minutes. Each merchant
submits a batch of its size, waits for its end, and submits the next: first alone, then all three at once. Meanwhile
workers are killed with SIGKILL at random moments and replaced, beat stands still half of the time, the results of a
large batch are exported again and again, and a batch of the largest merchant has its images on a host that takes
every request and never answers. One worker is never killed: its memory, descriptors and threads, and what Redis and
Postgres hold, are looked at all the while.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.merchants.actors import operator
from shared.queue import batches
from shared.queue.actions import cancel_batch
from shared.queue.dispatch import dispatch
from tests.bench.installation import installation
from tests.bench.machinery import Setting, launch, wait_for_workers
from tests.bench.memory import memory
from tests.bench.results import machine, write_results
from tests.bench.soak_strain import Beat, Exports, Others, end, tar_pit
from tests.builders import add_finished, add_waiting
from tests.invariants import miscounted

OTHERS = 3
"""Workers besides the one that is never killed."""

MERCHANTS = {"small": 20, "middle": 200, "large": 2000}
"""Jobs in each batch of a merchant."""

ALONE_TIMES = 5
CHUNK_JOBS = 16
EXPORTED_JOBS = 10_000
TAR_PIT_JOBS = 200
SAMPLES = 20
MIB = 2**20

ENDED = """
SELECT count(*) FILTER (WHERE state = 'succeeded') AS succeeded, count(*) FILTER (WHERE state <> 'succeeded') AS others,
       (SELECT count(*) FROM job_renditions WHERE batch_id = ANY(:ids)) AS links,
       (SELECT count(*) - count(DISTINCT (merchant_id, source_sha256, look_sha256, trunk_sha256, preset))
        FROM renditions) AS doubled
FROM jobs WHERE batch_id = ANY(:ids)
"""


@dataclass
class Merchant:
    """One that submits the next batch when the last has ended; ``waits`` are seconds."""

    session: Session
    name: str
    jobs: int
    waits: list[float] = field(default_factory=list)
    batches: list[UUID] = field(default_factory=list)
    _since: float | None = None

    def submit(self) -> None:
        with transaction(self.session.engine) as connection:
            self.batches.append(add_waiting(connection, self.name, self.jobs, chunk_jobs=CHUNK_JOBS).id)
        self._since = time.monotonic()
        dispatch(self.session.engine, self.session.broker)

    def waiting(self) -> bool:
        """Return whether its last batch runs still; note how long it took when it no longer does."""
        if self._since is None:
            return False
        with transaction(self.session.engine) as connection:
            running = batches.get_batch(connection, self.batches[-1]).state == "running"
        if not running:
            self.waits.append(round(time.monotonic() - self._since, 2))
            self._since = None
        return running

    def done(self) -> int:
        return len(self.waits) * self.jobs


def sample(session: Session, pid: int) -> dict[str, float]:
    """What a worker, Redis and Postgres hold now."""
    with transaction(session.engine) as connection:
        connections = connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        ).scalar_one()
    with session.broker.app.connection_for_read() as connection:
        redis = connection.default_channel.client.info()
    return {
        "mib": memory(pid),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": len(os.listdir(f"/proc/{pid}/task")),
        "postgres_connections": connections,
        "redis_mib": round(redis["used_memory"] / MIB, 2),
        "redis_clients": redis["connected_clients"],
    }


def alone(session: Session, name: str, jobs: int, times: int) -> list[float]:
    """Let a merchant submit so many batches, one after the other, with nobody else there; return its waits."""
    merchant = Merchant(session, name, jobs)
    for _ in range(times):
        merchant.submit()
        while merchant.waiting():
            time.sleep(0.02)
    return merchant.waits


def measure(
    session: Session,
    jobs: int,
    pause_seconds: float,
    *,
    others: int = OTHERS,
    sizes: dict[str, int] = MERCHANTS,
    alone_times: int = ALONE_TIMES,
    tar_pit_jobs: int = TAR_PIT_JOBS,
) -> dict[str, Any]:
    """Let so many jobs of all merchants be done; return what was found."""
    setting = Setting(others + 1, jobs, 0, CHUNK_JOBS, 0.0)
    with ExitStack() as stack:
        steady = launch(session, setting, session.settings.home / "steady")
        stack.callback(end, steady)
        killed = Others(session, setting, pause_seconds)
        stack.callback(killed.end)
        wait_for_workers(session, [steady, *killed.workers])
        by_itself = {name: alone(session, name, size, alone_times) for name, size in sizes.items()}
        beat = Beat(session, pause_seconds)
        stack.callback(beat.end)
        with transaction(session.engine) as connection:
            exported = add_finished(connection, "large", min(jobs, EXPORTED_JOBS))
        exports = Exports(session, exported)
        stack.callback(exports.end)
        exports.start()
        pit = stack.enter_context(tar_pit(session, "large", tar_pit_jobs))
        merchants = [Merchant(session, name, size) for name, size in sizes.items()]
        began, samples = time.monotonic(), list[dict[str, float]]()
        while (so_far := sum(merchant.done() for merchant in merchants)) < jobs or any(
            merchant.waiting() for merchant in merchants
        ):
            if so_far >= (len(samples) + 1) * jobs / (SAMPLES + 1) and len(samples) < SAMPLES:
                samples.append(sample(session, steady.pid))
            for merchant in merchants:
                if so_far < jobs and not merchant.waiting():
                    merchant.submit()
            killed.kill_one_if_due()
            beat.stop_or_go_on_if_due()
            time.sleep(0.02)
        seconds = round(time.monotonic() - began)
        pit_done = batches_done(session, pit.id)
        cancel_batch(session.engine, operator("large"), str(pit.id))
    return {
        "jobs": sum(merchant.done() for merchant in merchants),
        "seconds": seconds,
        "kills": killed.kills,
        "beat_stops": beat.stops,
        "exports": exports.times,
        "exported_rows": exports.rows,
        "tar_pit_jobs_done": pit_done,
        "waits": {one.name: waits(by_itself[one.name], one.waits) for one in merchants},
        "samples": samples,
        "miscounted": len(miscounted(session)),
    } | ended(session, [batch for merchant in merchants for batch in merchant.batches])


def waits(by_itself: list[float], together: list[float]) -> dict[str, float]:
    """Seconds from a batch's submission to its end."""
    return {
        "batches": len(together),
        "alone_median": statistics.median(by_itself),
        "together_median": statistics.median(together) if together else 0.0,
        "together_longest": max(together, default=0.0),
    }


def batches_done(session: Session, batch: UUID) -> int:
    with transaction(session.engine) as connection:
        return batches.get_batch(connection, batch).done


def ended(session: Session, ids: list[UUID]) -> dict[str, Any]:
    """Count what became of the jobs, one by one."""
    with transaction(session.engine) as connection:
        return connection.execute(text(ENDED), {"ids": ids}).one()._asdict()


def main() -> None:
    """Soak, and print what was lost, what grew and who waited."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two kills, at least")
    asked = parser.parse_args()
    os.environ["ATELIER_LEASE_SECONDS"] = "10"
    os.environ["ATELIER_SWEEP_SECONDS"] = "1"
    os.environ["ATELIER_SOURCE_NETWORKS"] = "127.0.0.0/8"
    with installation() as session:
        found = measure(session, asked.jobs, asked.pause)
    for one in found["samples"]:
        sys.stdout.write(f"{one}\n")
    write_results("soak", {"machine": machine()} | found)


if __name__ == "__main__":
    main()
