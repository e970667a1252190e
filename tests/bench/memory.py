"""Whether memory stays flat. Run it as

    python -m tests.bench.memory --help

Submits many small pictures as one batch from a process of its own and lets a real worker style them, sampling the
resident memory of both; then one picture of 25 megapixels. Prints peaks, and how much the worker's memory grew over
the second half. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from tests.bench.installation import ROOT, environment_of, installation
from tests.bench.real_worker import STYLE, done, pictures, submit, warm_worker, write
from tests.bench.results import machine, write_results

MIB = 2**20


def memory(pid: int, field: str = "VmRSS") -> float:
    """Resident memory of a process in MiB; ``VmHWM`` is its highest so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return max((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith(field)), default=0.0)


def submit_elsewhere(session: Session, folder: Path) -> tuple[UUID, float]:
    """Submit a folder by the command; the batch, and the highest memory of its process in MiB."""
    environment = environment_of(session, session.settings.home)
    command = [sys.executable, "-m", "producer.commands.main", "submit", str(folder), "--style", STYLE]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:  # what the kernel says at the end counts from before the program was loaded
        peak = max(peak, memory(process.pid, "VmHWM"))
        time.sleep(0.02)
    with transaction(session.engine) as connection:
        batch = connection.execute(text("SELECT id FROM batches ORDER BY id DESC LIMIT 1")).scalar_one()
    return batch, peak


def measure(session: Session, worker: int, images: int, *, large_px: int = 5000) -> dict[str, Any]:
    """Let a warm worker style many small pictures, then one large."""
    home = session.settings.home
    write(home / "small", pictures(((96, 96), (128, 96), (96, 128)), images))
    batch, producer = submit_elsewhere(session, home / "small")
    samples: list[float] = []
    while (so_far := done(session, batch)) < images:
        if so_far >= len(samples) * images / 20:
            samples.append(memory(worker))
        time.sleep(0.1)
    samples.append(memory(worker))
    before = memory(worker, "VmHWM")
    large = submit(session, home / "large", pictures(((large_px, large_px),), 1))
    while not done(session, large):
        time.sleep(0.1)
    return {
        "images": images,
        "worker_mib": samples,
        "worker_grew_over_the_second_half_mib": round(samples[-1] - samples[len(samples) // 2], 1),
        "worker_peak_mib": before,
        "worker_peak_with_25_megapixels_mib": memory(worker, "VmHWM"),
        "producer_peak_mib": producer,
    }


def main() -> None:
    """Measure on an installation of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="small pictures")
    asked = parser.parse_args()
    with installation() as session, warm_worker(session) as worker:
        figures = measure(session, worker, asked.images)
    write_results("memory", {"machine": machine()} | figures)


if __name__ == "__main__":
    main()
