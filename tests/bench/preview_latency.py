"""How long a merchant waits for a preview. Run it as

    python -m tests.bench.preview_latency --help

One image of 1,000² at a time through a warm worker, from the submission's first step to the stored rendition's row:
while nothing else is to be done, and while bulk work waits. Prints p50 and p95 of both. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from shared.context import Session
from shared.database import transaction
from tests.bench.installation import installation
from tests.bench.real_worker import done, pictures, submit, warm_worker
from tests.bench.results import machine, write_results
from tests.builders import add_waiting

SIDE = 1000
BULK = 200
"""Real pictures that the worker has to do meanwhile."""


def seconds_to_see(session: Session, folder: Path, data: bytes) -> float:
    """Submit one picture as a preview and await its row."""
    started = time.perf_counter()
    batch = submit(session, folder, [data], queue="preview")
    while not done(session, batch):
        time.sleep(0.005)
    return time.perf_counter() - started


def quantiles(found: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(found), 2), "p95": round(statistics.quantiles(found, n=20)[-1], 2)}


def measure(session: Session, previews: int, waiting: int, *, side: int = SIDE, bulk: int = BULK) -> dict[str, Any]:
    """Let a warm worker do previews while nothing else is to be done, then while bulk work waits."""
    home = session.settings.home
    sources = [data + bytes([n % 256]) for n, data in enumerate(pictures(((side, side),), 2 * previews + 2))]
    idle = [seconds_to_see(session, home / f"idle{n}", sources.pop()) for n in range(previews + 1)]
    load(session, pictures(((side, side),), bulk), waiting)
    busy = [seconds_to_see(session, home / f"busy{n}", sources.pop()) for n in range(previews + 1)]
    found = {"idle": quantiles(idle[1:]), "loaded": quantiles(busy[1:])}
    ratio = round(found["loaded"]["p95"] / found["idle"]["p95"], 2)
    return {"previews": previews, "waiting": waiting, "ratio_of_p95": ratio} | found


def main() -> None:
    """Measure on an installation of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--previews", type=int, default=30, help="previews, one after the other")
    parser.add_argument("--waiting", type=int, default=10_000, help="bulk images that wait")
    asked = parser.parse_args()
    with installation() as session, warm_worker(session):
        write_results("preview_latency", {"machine": machine()} | measure(session, asked.previews, asked.waiting))


def load(session: Session, found: list[bytes], images: int) -> None:
    """Let bulk work be under way: real pictures for the worker to do now, and rows for all that wait behind them."""
    batch = submit(session, session.settings.home / "bulk", found)
    with transaction(session.engine) as connection:
        add_waiting(connection, "bench", images)
    while not done(session, batch):
        time.sleep(0.05)
    sys.stderr.write("bulk work is under way\n")


if __name__ == "__main__":
    main()
