"""How near a worker comes to what the cores allow. Run it as

    python -m tests.bench.pipeline --help

In turn, so that a machine whose speed drifts spoils no comparison: *bare*, the plain functions of an image (decode,
shrink, background, generator, compose, encode) in one thread per core, over pictures in memory, without any service;
and a real worker over the same pictures as a batch, with object store, Redis and Postgres, from its first fifth to
its fourth. Prints the medians of both, their ratio, and where a core's time goes. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from shared.context import Session
from shared.settings import Settings
from tests.bench.installation import ROOT, installation, server_pids
from tests.bench.machinery import spent
from tests.bench.real_worker import STYLE, done, pictures, submit, warm_worker
from tests.bench.results import machine, write_results
from workers.images.background import paint_weight
from workers.images.compose import compose, shrink, working_size
from workers.images.decode import decode
from workers.images.encode import encode
from workers.images.limits import Limits
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.runtime.painter import Painter

BETWEEN = (0.2, 0.8)
"""Shares of a batch between which the worker is measured."""

Done = TypeVar("Done")

Sizes = tuple[tuple[int, int], ...]

KINDS: dict[str, Sizes] = {
    "512²": ((512, 512),),
    "1,000²": ((1000, 1000),),
    "mixed": ((512, 512), (1000, 1000), (1600, 1000), (1333, 2000)),
}


@dataclass(frozen=True)
class Round:
    """One turn: images per second bare and through a worker, and core-milliseconds for an image of each."""

    bare: float
    worker: float
    bare_core_ms: float
    worker_core_ms: float


@dataclass
class Bare:
    """The plain functions of an image, and the core-seconds that each took."""

    settings: Settings
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checkpoint = Checkpoint.load(ROOT / "shared" / "checkpoint")
        torch.set_num_threads(1)
        self.painter = Painter(torch.device("cpu"), lambda _: checkpoint.trunk)
        self.trunk = checkpoint.trunk_sha256
        self.row = row_from_bytes(checkpoint.rows[STYLE])[None]
        self.limits = Limits(self.settings.max_image_mib * 2**20, round(self.settings.max_megapixels * 1e6))

    def rate(self, found: list[bytes]) -> float:
        """Images per second with one thread per core."""
        started = time.perf_counter()
        with ThreadPoolExecutor(self.painter.lanes) as pool:
            list(pool.map(self.style, found))
        return len(found) / (time.perf_counter() - started)

    def style(self, data: bytes) -> bytes:
        photo = self._timed("decode", lambda: decode(data, self.limits))
        size = working_size(photo.width, photo.height, working_px=self.settings.working_px, texture_scale=1)
        small = self._timed("shrink", lambda: shrink(photo.rgb, size))
        weight = self._timed("background", lambda: paint_weight(small))
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None]
        area = torch.from_numpy(weight)[None, None]
        painted = self._timed("generator", lambda: self.painter.paint(self.trunk, pixels, area, self.row))
        paint = painted[0].permute(1, 2, 0).numpy()
        rgb = self._timed("compose", lambda: compose(photo.rgb, small, paint, weight, strength=1.0))
        return self._timed("encode", lambda: encode(rgb, photo.alpha, "jpeg", quality=90)).data

    def _timed(self, name: str, work: Callable[[], Done]) -> Done:
        started = time.thread_time()
        done = work()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.thread_time() - started
        return done


@dataclass(frozen=True)
class Watched:
    """A warm worker and the session that it works for. It is measured between two shares of a batch."""

    session: Session
    worker: int
    between: tuple[float, float] = BETWEEN


def through_worker(watched: Watched, folder: Path, found: list[bytes]) -> tuple[float, float]:
    """Submit pictures and watch the worker: images per second, core-milliseconds of all processes for an image."""
    session, servers = watched.session, server_pids(watched.session)
    cost = spent([watched.worker], servers)
    first = (0, time.perf_counter(), cost.workers + cost.postgres + cost.redis)
    batch = submit(session, folder, found)

    def seen(share: float) -> tuple[int, float, float]:
        while (so_far := done(session, batch)) < share * len(found):
            time.sleep(0.02)
        cost = spent([watched.worker], servers)
        return so_far, time.perf_counter(), cost.workers + cost.postgres + cost.redis

    begin, end = watched.between
    if begin:
        first = seen(begin)
    last = seen(end)
    seen(1.0)
    images, seconds, cores = (after - before for before, after in zip(first, last, strict=True))
    return images / seconds, cores / images * 1e3


def measure(watched: Watched, kinds: Iterable[tuple[str, Sizes]], images: int, times: int) -> dict[str, Any]:
    """Measure each kind so many times, bare and worker in turn."""
    figures: dict[str, Any] = {"images": images, "times": times}
    for kind, sizes in kinds:
        bare = Bare(watched.session.settings)
        bare.rate(pictures(sizes, 4))
        bare.seconds.clear()
        rounds = []
        for n in range(times):
            found = pictures(sizes, images)
            rate = bare.rate(found)
            cost = sum(bare.seconds.values()) / images / (n + 1) * 1e3
            # Other bytes than before, or the renditions would be reused.
            fresh = [data + f"{kind} {n}".encode() for data in found]
            through, cores = through_worker(watched, watched.session.settings.home / f"{kind}{n}", fresh)
            rounds.append(Round(rate, through, cost, cores))
            sys.stderr.write(f"{kind}: {rounds[-1]}\n")
        figures[kind] = summary(rounds, bare.seconds, images * times)
    return figures


def main() -> None:
    """Measure on an installation of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60, help="images in a round")
    parser.add_argument("--times", type=int, default=3, help="rounds of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="sizes of the pictures")
    asked = parser.parse_args()
    with installation() as session, warm_worker(session) as worker:
        kinds = [(kind, KINDS[kind]) for kind in asked.kinds]
        figures = measure(Watched(session, worker), kinds, asked.images, asked.times)
    write_results("pipeline", {"machine": machine()} | figures)


def summary(rounds: list[Round], seconds: dict[str, float], images: int) -> dict[str, object]:
    """Medians of the rounds, and the core-milliseconds of each step for an image."""
    middle = {name: round(statistics.median(getattr(one, name) for one in rounds), 3) for name in vars(rounds[0])}
    return middle | {
        "worker_to_bare": round(statistics.median(one.worker / one.bare for one in rounds), 3),
        "core_ms": {name: round(spent / images * 1e3, 1) for name, spent in seconds.items()},
    }


if __name__ == "__main__":
    main()
