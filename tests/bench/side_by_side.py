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
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from celery import Celery

from shared.context import Session
from tests.bench.installation import ROOT, installation
from tests.bench.plot import bars
from tests.bench.real_worker import done, pictures, submit, warm_worker, write
from tests.bench.results import machine, results_folder, write_results

BETWEEN = (0.2, 0.8)
"""Shares of a round between which a queue's worker is measured."""

WARM_IMAGES = 4
"""Images of a first round, which does not count."""

SIZES = {"512²": (512, 512), "1,000²": (1000, 1000)}


@dataclass(frozen=True)
class Round:
    """What a contender did with the pictures of a round."""

    painted: int
    images_per_second: float


Contender = Callable[[list[bytes], Path], Round]
"""From pictures and an empty folder's name to what became of them."""


def watch(count: Callable[[], int], number: int) -> Round:
    """Watch a round, whose images ``count`` counts, and measure it between two shares."""

    def seen(share: float) -> tuple[int, float]:
        while (so_far := count()) < share * number:
            time.sleep(0.02)
        return so_far, time.perf_counter()

    first, last = (seen(share) for share in BETWEEN)
    painted, _ = seen(1.0)
    return Round(painted, (last[0] - first[0]) / (last[1] - first[1]))


def atelier(session: Session) -> Contender:
    def run(found: list[bytes], folder: Path) -> Round:
        batch = submit(session, folder, found)
        return watch(lambda: done(session, batch), len(found))

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

    def run(found: list[bytes], folder: Path) -> Round:
        targets = folder.with_name(f"{folder.name}-out")
        targets.mkdir()
        write(folder, found)
        for source in sorted(folder.iterdir()):
            app.send_task("stylize", (network, str(source), str(targets / source.name)), queue=queue)
        return watch(lambda: sum(1 for _ in targets.iterdir()), len(found))

    worker = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield run
    finally:
        worker.terminate()
        worker.wait()
        app.close()


def script(network: str) -> Contender:
    def run(found: list[bytes], folder: Path) -> Round:
        write(folder, found)
        targets = folder.with_name(f"{folder.name}-out")
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        command = [sys.executable, "-m", "tests.bench.strawman", network, str(folder), str(targets)]
        done = subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
        return Round(sum(1 for _ in targets.iterdir()), float(done.stdout))

    return run


def in_turn(
    contenders: dict[str, Contender], folder: Path, size: tuple[int, int], rounds: Sequence[int]
) -> dict[str, list[Round]]:
    """Let all contenders paint in turn, so many images in each round."""
    done: dict[str, list[Round]] = {contender: [] for contender in contenders}
    for turn, images in enumerate(rounds):
        for number, (contender, run) in enumerate(contenders.items()):
            # Other bytes in each turn, or Atelier would reuse what it has.
            found = [data + f"{turn} {number}".encode() for data in pictures((size,), images)]
            done[contender].append(run(found, folder / f"{turn}-{number}"))
            sys.stderr.write(f"{contender}: {done[contender][-1].images_per_second:.2f} images/s\n")
    return done


def main() -> None:
    """Measure on an installation of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12, help="images in a round")
    parser.add_argument("--times", type=int, default=5, help="rounds")
    parser.add_argument("--size", choices=SIZES, default="512²", help="size of the pictures")
    asked = parser.parse_args()
    with ExitStack() as stack:
        session = stack.enter_context(installation())
        stack.enter_context(warm_worker(session))
        assert session.settings.broker_url
        broker = session.settings.broker_url.get_secret_value()
        contenders = {
            "Atelier": atelier(session),
            "task per image, 1 thread": stack.enter_context(strawman(broker, "atelier", "1")),
            "task per image": stack.enter_context(strawman(broker, "atelier", None)),
            "script over a folder": script("atelier"),
            "task per image, 1 thread, baseline network": stack.enter_context(strawman(broker, "baseline", "1")),
            "script over a folder, baseline network": script("baseline"),
        }
        images = [WARM_IMAGES] + asked.times * [asked.images]
        rounds = in_turn(contenders, session.settings.home, SIZES[asked.size], images)
    rates = {contender: [one.images_per_second for one in done[1:]] for contender, done in rounds.items()}
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
