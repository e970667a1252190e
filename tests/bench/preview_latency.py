"""How long a merchant waits for a preview. Run it as

    python -m tests.bench.preview_latency --help

One image of 1,000² at a time through a warm worker, from the submission's first step to the stored rendition's row:
while nothing else is to be done, and while bulk work waits. Prints p50 and p95 of both. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from shared.context import Session
from shared.database import transaction
from shared.embedded import attached
from tests.bench.real_worker import done, pictures, submit, warm_worker
from tests.bench.results import machine, write_results
from tests.filled import add_waiting
from tests.fresh import fresh_session

SIDE = 1000


def seconds_to_see(session: Session, folder: Path, data: bytes) -> float:
    """Submit one picture as a preview and await its row."""
    started = time.perf_counter()
    batch = submit(session, folder, [data], queue="preview")
    while not done(session, batch):
        time.sleep(0.005)
    return time.perf_counter() - started


def quantiles(found: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(found), 2), "p95": round(statistics.quantiles(found, n=20)[-1], 2)}


def main() -> None:
    """Measure idle and loaded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--previews", type=int, default=30, help="previews, one after the other")
    parser.add_argument("--waiting", type=int, default=10_000, help="bulk images that wait")
    asked = parser.parse_args()
    previews = [data + bytes([n]) for n, data in enumerate(pictures(((SIDE, SIDE),), 2 * asked.previews + 2))]
    with tempfile.TemporaryDirectory(prefix="atelier") as name:
        home = Path(name)
        with (
            attached(home / "servers", lasting=False) as services,
            fresh_session(services, home) as session,
            warm_worker(session, home),
        ):
            idle = [seconds_to_see(session, home / f"idle{n}", previews.pop()) for n in range(asked.previews + 1)]
            load(session, home / "bulk", asked.waiting)
            busy = [seconds_to_see(session, home / f"busy{n}", previews.pop()) for n in range(asked.previews + 1)]
    found = {"idle": quantiles(idle[1:]), "loaded": quantiles(busy[1:])}
    ratio = round(found["loaded"]["p95"] / found["idle"]["p95"], 2)
    write_results("preview_latency", {"machine": machine(), "waiting": asked.waiting, "ratio_of_p95": ratio} | found)


def load(session: Session, folder: Path, images: int) -> None:
    """Let bulk work be under way: real pictures for the worker to do now, and rows for all that wait behind them."""
    batch = submit(session, folder, pictures(((SIDE, SIDE),), 200))
    with transaction(session.engine) as connection:
        add_waiting(connection, "bench", images)
    while not done(session, batch):
        time.sleep(0.05)
    sys.stderr.write("bulk work is under way\n")


if __name__ == "__main__":
    main()
