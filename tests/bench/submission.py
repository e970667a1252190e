"""How fast does a manifest become jobs? Run it as ``python -m tests.bench.submission``.

A CSV of a million rows that name objects of a bucket (nobody fetches them) is submitted by the real
command to embedded servers of its own, with one worker announced, so that there is a window to fill.
Then the same is done step by step, and each step's core-seconds are read from the process and from
Postgres: on a machine that others use, they tell more than the clock. Local images, which are hashed
and put into the store, are measured apart. Prints it all and writes
``tests/bench/results/submission.json``. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import redis
from PIL import Image
from sqlalchemy import text

from producer.jobs_from_rows import PAGE_JOBS, read_pages, row_looks
from producer.manifest import open_manifest
from producer.manifest.formats.csvrecords import csv_records
from producer.manifest.formats.textlines import open_text
from producer.manifest.input_file import DiskFile
from producer.source_intake import Intake
from producer.submit import Order, open_batch
from shared.context import Session
from shared.database import transaction
from shared.look import Look
from shared.queue import batches, fleet
from shared.queue.chunks import add_chunks, cut_chunks
from shared.queue.dispatch import dispatch_or_warn
from shared.queue.jobs import add_jobs
from tests.bench.installation import ROOT, environment_of, installation, postgres_core_seconds, server_pids
from tests.bench.results import machine, write_results

STYLE = "udnie"
PROFILED_ROWS = 200_000
LOCAL_IMAGES = 500


def write_manifest(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("sku,image\n")
        file.writelines(f"SKU-{n:07d},s3://shop-photos/catalogue/{n % 100:02d}/{n:07d}.jpg\n" for n in range(rows))


def run_command(session: Session, manifest: Path, idle_us: float = 0.0) -> dict[str, float]:
    """Submit by the command; seconds count from its start, those of the batch from its acceptance.

    ``idle_us`` is what the command takes that submits one row: mostly imports.
    """
    client = reset(session)
    postmaster = server_pids(session)["postgres"]
    before, started = postgres_core_seconds(postmaster), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "producer.commands.main", "submit", str(manifest), "-s", STYLE, "--json"],
        env=environment_of(session, session.settings.home),
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout
    output: list[bytes] = []
    with process.stdout as printed:
        reader = threading.Thread(target=lambda: output.append(printed.read()))
        reader.start()
        first_row = wait_for(lambda: has_jobs(session), reader) - started
        first_message = wait_for(lambda: client.llen("bulk"), reader) - started
        reader.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    assert process.returncode == 0
    batch = json.loads(output[0])
    rows = batch["total"]
    producer = ((usage.ru_utime + usage.ru_stime) * 1e6 - idle_us) / rows
    database = (postgres_core_seconds(postmaster) - before) / rows * 1e6
    return {
        "rows": rows,
        "rows_per_second": rows / batch["seconds"],
        "command_seconds": seconds,
        "first_row_durable_seconds": first_row,
        "first_chunk_dispatched_seconds": first_message,
        "producer_core_us_per_row": producer,
        "postgres_core_us_per_row": database,
        "rows_per_second_that_two_free_cores_allow": 1e6 / max(producer, database),
        "peak_rss_mib": usage.ru_maxrss / 1024,
    }


def reset(session: Session) -> redis.Redis:
    """Empty the tables and Redis, announce a worker, and return a client of Redis."""
    assert session.settings.broker_url
    client = redis.Redis.from_url(session.settings.broker_url.get_secret_value().replace("redis+socket", "unix"))
    client.flushall()
    with transaction(session.engine) as connection:
        connection.execute(text("TRUNCATE batches, fair_shares, workers CASCADE"))
        fleet.register(connection, uuid4(), "cpu", 3)
        # It sends no heartbeats, and shall count as alive however long this takes.
        connection.execute(text("UPDATE workers SET heartbeat_at = clock_timestamp() + interval '1 day'"))
    return client


def has_jobs(session: Session) -> bool:
    with transaction(session.engine) as connection:
        return connection.execute(text("SELECT 1 FROM jobs LIMIT 1")).first() is not None


def wait_for(seen: Callable[[], object], running: threading.Thread) -> float:
    while not seen() and running.is_alive():
        running.join(0.005)
    return time.perf_counter()


@dataclass
class Steps:
    """Core-seconds by step: of this thread, and of Postgres."""

    postmaster: int
    spent: dict[str, tuple[float, float]] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        there, here = postgres_core_seconds(self.postmaster), time.thread_time()
        yield
        here, there = time.thread_time() - here, postgres_core_seconds(self.postmaster) - there
        seen = self.spent.get(name, (0.0, 0.0))
        self.spent[name] = (seen[0] + here, seen[1] + there)

    def read(self, name: str, items: Iterator[object]) -> None:
        """Read all items; what the steps before cost, which are contained, is taken off."""
        before = sum(here for here, _ in self.spent.values())
        with self.step(name):
            for _ in items:
                pass
        self.spent[name] = (self.spent[name][0] - before, 0.0)


def profile(session: Session, path: Path, rows: int) -> dict[str, tuple[float, float]]:
    """Do step by step what ``submit_batch`` overlaps; core-µs per row of this process and of Postgres."""
    reset(session)
    manifest = open_manifest([str(path)])
    batch, _ = open_batch(session, Order("local", manifest, (Look(((STYLE, 1.0),)),)))
    looks, intake = row_looks((batch.look,), batch.style_rows, {}), Intake(session.store, batch.merchant_id, 2**26)
    steps = Steps(server_pids(session)["postgres"])
    steps.read("read lines", islice(open_text(DiskFile(path)).lines(), rows))
    steps.read("split into records", islice(csv_records("", open_text(DiskFile(path)).lines(), ","), rows))
    steps.read("check and name rows", islice(manifest.rows(), rows))
    pages = max(1, rows // PAGE_JOBS)
    steps.read("make jobs", islice(read_pages(manifest.rows(), looks, intake, 0), pages))
    for page in islice(read_pages(manifest.rows(), looks, intake, 0), pages):
        with steps.step("cut chunks"):
            chunks = cut_chunks(
                page.jobs[0].ordinal,
                [job.pixels for job in page.jobs],
                session.settings.chunk_megapixels,
                session.settings.working_px,
            )
        with transaction(session.engine) as connection:
            with steps.step("COPY and insert jobs"):
                add_jobs(connection, batch.id, batch.merchant_id, page.jobs)
            with steps.step("insert chunks"):
                add_chunks(connection, batch, chunks)
            with steps.step("count"):
                batch = batches.extend(connection, batch, rows=page.rows, jobs=len(page.jobs), failed=0)
            with steps.step("commit"):
                connection.commit()
        with steps.step("dispatch"):
            dispatch_or_warn(session.engine, session.broker)
    return {
        name: (round(here / rows * 1e6, 2), round(there / rows * 1e6, 2)) for name, (here, there) in steps.spent.items()
    }


def local_images_per_second(session: Session, images: int) -> float:
    """Take in local photos of 1,000 by 1,000 pixels, each another: rate of the clock."""
    folder = session.settings.home / "photos"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    photo = np.array(Image.fromarray(noise).resize((1000, 1000)))
    for number in range(images):
        photo[0, 0] = number % 256, number // 256, 0
        Image.fromarray(photo).save(folder / f"{number}.jpg", quality=90)
    intake = Intake(session.store, 1, 2**26)
    started = time.perf_counter()
    for path in folder.iterdir():
        intake.take(path.as_uri())
    return images / (time.perf_counter() - started)


def measure(session: Session, rows: int, times: int, *, local_images: int = LOCAL_IMAGES) -> dict[str, Any]:
    """Submit a manifest so many times, then step by step; the command's figures are medians."""
    folder = session.settings.home
    manifest = folder / "manifest.csv"
    write_manifest(manifest, rows)
    write_manifest(folder / "one.csv", 1)
    idle_us = run_command(session, folder / "one.csv")["producer_core_us_per_row"]
    runs = [run_command(session, manifest, idle_us) for _ in range(times)]
    command = {figure: round(statistics.median(run[figure] for run in runs), 3) for figure in runs[0]}
    return {
        "times": times,
        **command,
        "core_us_per_row": profile(session, manifest, min(rows, PROFILED_ROWS)),
        "local_images_taken_in_per_second": round(local_images_per_second(session, local_images)),
    }


def main() -> None:
    """Measure on an installation of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    with installation() as session:
        write_results("submission", {"machine": machine()} | measure(session, arguments.rows, arguments.times))


if __name__ == "__main__":
    main()
