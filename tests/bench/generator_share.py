"""How much of a run is the generator? Run it as ``make bench``.

In turn, so that a machine whose speed drifts spoils no comparison: the bare generator over the sample
catalogue's pictures at their working size, one thread per core; and ``atelier run`` over the same
pictures in a home of its own, from the first command to the last file. Prints medians and writes
``tests/bench/results/generator_share.json``. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from shared.settings import Settings
from tests.bench.results import machine, write_results
from workers.images.background import paint_weight
from workers.images.compose import shrink, working_size
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.runtime.painter import Painter

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples" / "photos"
STYLES = ("starry-night", "great-wave", "composition-vii")


def canvases(settings: Settings) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The sample pictures as the generator gets them: photo (1, 3, H, W) and area (1, 1, H, W), uint8."""
    limits = Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6))
    found = []
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix in (".jpg", ".png"):
            photo = decode(path.read_bytes(), limits)
            size = working_size(photo.width, photo.height, working_px=settings.working_px, texture_scale=1)
            small = shrink(photo.rgb, size)
            area = torch.from_numpy(paint_weight(small))[None, None]
            found.append((torch.from_numpy(np.array(small)).permute(2, 0, 1)[None], area))
    return found


def generator_seconds(pictures: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Paint every picture in every style, as many at once as there are cores; the seconds it took."""
    checkpoint = Checkpoint.load(ROOT / "shared" / "checkpoint")
    torch.set_num_threads(1)
    painter = Painter(torch.device("cpu"), lambda _: checkpoint.trunk)
    rows = [row_from_bytes(checkpoint.rows[style])[None] for style in STYLES]
    work = [(photo, area, row) for row in rows for photo, area in pictures]
    painter.paint(checkpoint.trunk_sha256, *work[0])
    started = time.perf_counter()
    with ThreadPoolExecutor(painter.lanes) as pool:
        list(pool.map(lambda one: painter.paint(checkpoint.trunk_sha256, *one), work))
    return time.perf_counter() - started


def run_seconds() -> tuple[float, float]:
    """Run the demo's job in a fresh home: the seconds of the command, and those of its batch."""
    with tempfile.TemporaryDirectory(prefix="atelier") as folder:
        looks = [argument for style in STYLES for argument in ("--style", style)]
        command = [
            sys.executable,
            "-m",
            "producer.commands.main",
            "run",
            str(SAMPLES),
            *looks,
            "--out",
            f"{folder}/out",
            "--json",
        ]
        started = time.perf_counter()
        done = subprocess.run(
            command, env=os.environ | {"ATELIER_HOME": f"{folder}/home"}, stdout=subprocess.PIPE, check=True, cwd=ROOT
        )
        return time.perf_counter() - started, float(json.loads(done.stdout)["seconds"])


def main() -> None:
    """Measure so many times and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    pictures = canvases(Settings())
    measured = [(generator_seconds(pictures), *run_seconds()) for _ in range(times)]
    bare, command, batch = (statistics.median(column) for column in zip(*measured, strict=True))
    result = {
        "machine": machine(),
        "pictures": len(pictures) * len(STYLES),
        "times": times,
        "generator_alone_seconds": round(bare, 2),
        "batch_seconds": round(batch, 2),
        "command_seconds": round(command, 2),
        "generator_share_of_batch": round(statistics.median(g / b for g, _, b in measured), 3),
        "generator_share_of_command": round(statistics.median(g / c for g, c, _ in measured), 3),
        "images_per_second": round(len(pictures) * len(STYLES) / batch, 2),
    }
    write_results("generator_share", result)


if __name__ == "__main__":
    main()
