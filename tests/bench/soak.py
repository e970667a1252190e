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
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.embedded import attached
from shared.queue.dispatch import dispatch
from tests.bench.machinery import Setting, done, launch
from tests.bench.memory import memory
from tests.bench.results import machine, write_results
from tests.filled import add_waiting
from tests.fresh import fresh_session

OTHERS = 3
CHUNK_JOBS = 16

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


def soak(session: Session, folder: Path, jobs: int, pause: float) -> dict[str, object]:
    """Let a batch be done; return what was found."""
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "soak", jobs, chunk_jobs=CHUNK_JOBS)
    setting = Setting(OTHERS + 1, jobs, 0, CHUNK_JOBS, 0.0)
    chance = random.Random(jobs)
    steady = launch(session, setting, folder / "steady")
    others = [launch(session, setting, folder / f"other{n}") for n in range(OTHERS)]
    samples: list[dict[str, float]] = []
    kills, struck, began = 0, time.monotonic(), time.monotonic()
    try:
        while (so_far := done(session, batch.id)) < jobs:
            if so_far >= (len(samples) + 1) * jobs / 21:
                samples.append(sample(session, steady.pid))
            if so_far and time.monotonic() - struck > pause:
                victim = others.pop(chance.randrange(OTHERS))
                victim.kill()
                victim.communicate()
                kills += 1
                others.append(launch(session, setting, folder / f"other{OTHERS + kills}"))
                struck = time.monotonic() + chance.random() * pause
            dispatch(session.engine, session.broker)
            time.sleep(0.1)
        seconds = time.monotonic() - began
    finally:
        for worker in (steady, *others):
            worker.kill()
            worker.communicate()
    return {"seconds": round(seconds), "kills": kills, "samples": samples} | ended(session, batch.id)


def ended(session: Session, batch: UUID) -> dict[str, object]:
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
    with tempfile.TemporaryDirectory(prefix="atelier") as name:
        home = Path(name)
        with attached(home / "servers", lasting=False) as services, fresh_session(services, home) as session:
            found = soak(session, home, asked.jobs, asked.pause)
    for one in found["samples"]:  # type: ignore[attr-defined]
        sys.stdout.write(f"{one}\n")
    write_results("soak", {"machine": machine(), "jobs": asked.jobs} | found)


if __name__ == "__main__":
    main()
