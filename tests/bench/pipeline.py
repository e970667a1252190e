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
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from shared import embedded
from shared.context import Session
from shared.embedded import attached
from shared.settings import Settings
from tests.bench.machinery import spent
from tests.bench.real_worker import ROOT, STYLE, done, pictures, submit, warm_worker
from tests.bench.results import machine, write_results
from tests.fresh import fresh_session
from workers.images.background import paint_weight
from workers.images.compose import compose, shrink, working_size
from workers.images.decode import decode
from workers.images.encode import encode
from workers.images.limits import Limits
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.runtime.painter import Painter

FIRST, LAST = 0.2, 0.8
"""Shares of a batch between which the worker is measured."""

Done = TypeVar("Done")

Pids = tuple[int, dict[str, int]]
"""The worker's process, and the servers' by name."""

KINDS = {
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


def measure(
    session: Session, folder: Path, found: list[bytes], pids: tuple[int, dict[str, int]]
) -> tuple[float, float]:
    """Submit pictures and watch the worker: images per second, core-milliseconds of all processes for an image."""
    worker, servers = pids
    batch = submit(session, folder, found)

    def seen(share: float) -> tuple[int, float, float]:
        while (so_far := done(session, batch)) < share * len(found):
            time.sleep(0.02)
        cost = spent([worker], servers)
        return so_far, time.perf_counter(), cost.workers + cost.postgres + cost.redis

    first, last = seen(FIRST), seen(LAST)
    seen(1.0)
    images, seconds, cores = (after - before for before, after in zip(first, last, strict=True))
    return images / seconds, cores / images * 1e3


def main() -> None:
    """Measure each kind so many times, bare and worker in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60, help="images in a round")
    parser.add_argument("--times", type=int, default=3, help="rounds of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="sizes of the pictures")
    asked = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory(prefix="atelier") as name:
        home = Path(name)
        with attached(home / "servers", lasting=False) as services, fresh_session(services, home) as session:
            running = embedded.running(home / "servers")
            assert running
            with warm_worker(session, home) as worker:
                for kind in asked.kinds:
                    bare = Bare(session.settings)
                    bare.rate(pictures(KINDS[kind], 4))
                    bare.seconds.clear()
                    rounds = []
                    for n in range(asked.times):
                        found = pictures(KINDS[kind], asked.images)
                        rate = bare.rate(found)
                        cost = sum(bare.seconds.values()) / asked.images / (n + 1) * 1e3
                        folder = home / f"{kind}{n}"
                        # Other bytes than before, or the renditions would be reused.
                        fresh = [data + f"{kind} {n}".encode() for data in found]
                        through, cores = measure(session, folder, fresh, (worker, running.pids))
                        rounds.append(Round(rate, through, cost, cores))
                        sys.stderr.write(f"{kind}: {rounds[-1]}\n")
                    figures[kind] = summary(rounds, bare.seconds, asked.images * asked.times)
    write_results("pipeline", {"machine": machine(), "images": asked.images, "times": asked.times} | figures)


def summary(rounds: list[Round], seconds: dict[str, float], images: int) -> dict[str, object]:
    """Medians of the rounds, and the core-milliseconds of each step for an image."""
    middle = {name: round(statistics.median(getattr(one, name) for one in rounds), 3) for name in vars(rounds[0])}
    return middle | {
        "worker_to_bare": round(statistics.median(one.worker / one.bare for one in rounds), 3),
        "core_ms": {name: round(spent / images * 1e3, 1) for name, spent in seconds.items()},
    }


if __name__ == "__main__":
    main()
