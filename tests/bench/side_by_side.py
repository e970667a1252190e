"""Atelier beside what everyone writes first. Run it as

    python -m tests.bench.side_by_side --help

The same pictures in one run and in turn, so that a machine whose speed drifts spoils no comparison: a warm Atelier
worker (fetching, white backgrounds, blending, storing, rows and counters included); one Celery task per image in a
prefork pool with a process per core, with torch's threads as they come and with one; a script over the folder. Prints
medians and ratios, writes JSON and a plot. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from celery import Celery

from shared.context import Session
from shared.embedded import attached
from tests.bench.plot import bars
from tests.bench.real_worker import ROOT, done, pictures, submit, warm_worker, write
from tests.bench.results import machine, results_folder, write_results
from tests.fresh import fresh_session

FIRST, LAST = 0.2, 0.8
"""Shares of a round between which a queue's worker is measured."""

SIZES = {"512²": (512, 512), "1,000²": (1000, 1000)}

Contender = Callable[[list[bytes], Path], float]
"""From pictures and an empty folder's name to images per second."""


def rate(count: Callable[[], int], number: int) -> float:
    """Images per second between two shares of a round, whose images ``count`` counts."""

    def seen(share: float) -> tuple[int, float]:
        while (so_far := count()) < share * number:
            time.sleep(0.02)
        return so_far, time.perf_counter()

    first, last = seen(FIRST), seen(LAST)
    seen(1.0)
    return (last[0] - first[0]) / (last[1] - first[1])


def atelier(session: Session) -> Contender:
    def run(found: list[bytes], folder: Path) -> float:
        batch = submit(session, folder, found)
        return rate(lambda: done(session, batch), len(found))

    return run


@contextmanager
def strawman(broker: str, network: str, threads: str | None) -> Iterator[Contender]:
    """A prefork pool of Celery with a process per core, warm."""
    queue = f"strawman-{network}-{threads}"
    own = {"STRAWMAN_BROKER": broker, "STRAWMAN_QUEUE": queue} | ({"STRAWMAN_THREADS": threads} if threads else {})
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | own
    cores = str(len(os.sched_getaffinity(0)))
    command = [sys.executable, "-m", "celery", "-A", "tests.bench.strawman", "worker", "-P", "prefork", "-c", cores]
    command += ["-Q", queue, "-n", queue, "--without-gossip", "--without-mingle", "-l", "error"]
    app = Celery(broker=broker)

    def run(found: list[bytes], folder: Path) -> float:
        targets = folder.with_name(f"{folder.name}-out")
        targets.mkdir()
        write(folder, found)
        for source in sorted(folder.iterdir()):
            app.send_task("stylize", (network, str(source), str(targets / source.name)), queue=queue)
        return rate(lambda: sum(1 for _ in targets.iterdir()), len(found))

    worker = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield run
    finally:
        worker.terminate()
        worker.wait()
        app.close()


def script(network: str) -> Contender:
    def run(found: list[bytes], folder: Path) -> float:
        write(folder, found)
        targets = folder.with_name(f"{folder.name}-out")
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        command = [sys.executable, "-m", "tests.bench.strawman", network, str(folder), str(targets)]
        return float(subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True).stdout)

    return run


def main() -> None:
    """Let all contenders paint in turn, after one round that does not count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12, help="images in a round")
    parser.add_argument("--times", type=int, default=5, help="rounds")
    parser.add_argument("--size", choices=SIZES, default="512²", help="size of the pictures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="atelier") as name, ExitStack() as stack:
        home = Path(name)
        services = stack.enter_context(attached(home / "servers", lasting=False))
        session = stack.enter_context(fresh_session(services, home))
        stack.enter_context(warm_worker(session, home))
        broker = services.broker_url
        contenders = {
            "Atelier": atelier(session),
            "task per image, 1 thread": stack.enter_context(strawman(broker, "atelier", "1")),
            "task per image": stack.enter_context(strawman(broker, "atelier", None)),
            "script over a folder": script("atelier"),
            "task per image, 1 thread, baseline network": stack.enter_context(strawman(broker, "baseline", "1")),
            "script over a folder, baseline network": script("baseline"),
        }
        rates: dict[str, list[float]] = {contender: [] for contender in contenders}
        for turn in range(asked.times + 1):
            for number, (contender, run) in enumerate(contenders.items()):
                images = asked.images if turn else 4
                # Other bytes in each turn, or Atelier would reuse what it has.
                found = [data + f"{turn} {number}".encode() for data in pictures((SIZES[asked.size],), images)]
                measured = run(found, home / f"{turn}-{number}")
                if turn:
                    rates[contender].append(measured)
                    sys.stderr.write(f"{contender}: {measured:.2f} images/s\n")
    middle = {contender: statistics.median(found) for contender, found in rates.items()}
    ratios = {
        contender: round(statistics.median(a / b for a, b in zip(rates["Atelier"], found, strict=True)), 2)
        for contender, found in rates.items()
    }
    write_results(
        "side_by_side",
        {
            "machine": machine(),
            "size": asked.size,
            "images_per_second": {contender: round(value, 2) for contender, value in middle.items()},
            "atelier_is_times_as_fast": ratios,
        },
    )
    title = f"Images of {asked.size} a second, medians of {asked.times} ({machine()})"
    bars(title, middle).save(results_folder() / "side_by_side.png")


if __name__ == "__main__":
    main()
