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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shared.settings import Settings
from tests.bench.installation import ROOT
from tests.bench.results import machine, write_results
from workers.images.background import paint_weight
from workers.images.compose import shrink, working_size
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.runtime.painter import Painter

SAMPLES = ROOT / "samples" / "photos"
STYLES = ("starry-night", "great-wave", "composition-vii")


def sample_files() -> list[Path]:
    """The sample catalogue's pictures."""
    return sorted(path for path in SAMPLES.iterdir() if path.suffix in (".jpg", ".png"))


def canvases(settings: Settings, files: Sequence[Path]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pictures as the generator gets them: photo (1, 3, H, W) and area (1, 1, H, W), uint8."""
    limits = Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6))
    found = []
    for path in files:
        photo = decode(path.read_bytes(), limits)
        size = working_size(photo.width, photo.height, working_px=settings.working_px, texture_scale=1)
        small = shrink(photo.rgb, size)
        area = torch.from_numpy(paint_weight(small))[None, None]
        found.append((torch.from_numpy(np.array(small)).permute(2, 0, 1)[None], area))
    return found


def generator_seconds(pictures: list[tuple[torch.Tensor, torch.Tensor]], styles: Sequence[str]) -> float:
    """Paint every picture in every style, as many at once as there are cores; the seconds it took."""
    checkpoint = Checkpoint.load(ROOT / "shared" / "checkpoint")
    torch.set_num_threads(1)
    painter = Painter(torch.device("cpu"), lambda _: checkpoint.trunk)
    rows = [row_from_bytes(checkpoint.rows[style])[None] for style in styles]
    work = [(photo, area, row) for row in rows for photo, area in pictures]
    painter.paint(checkpoint.trunk_sha256, *work[0])
    started = time.perf_counter()
    with ThreadPoolExecutor(painter.lanes) as pool:
        list(pool.map(lambda one: painter.paint(checkpoint.trunk_sha256, *one), work))
    return time.perf_counter() - started


@dataclass(frozen=True)
class Command:
    """What ``atelier run`` did, in a fresh home."""

    succeeded: int
    seconds: float
    batch_seconds: float


def run_command(files: Sequence[Path], styles: Sequence[str]) -> Command:
    """Run the demo's job in a fresh home."""
    with tempfile.TemporaryDirectory(prefix="atelier") as folder:
        looks = [argument for style in styles for argument in ("--style", style)]
        command = [
            sys.executable,
            "-m",
            "producer.commands.main",
            "run",
            *map(str, files),
            *looks,
            "--out",
            f"{folder}/out",
            "--json",
        ]
        started = time.perf_counter()
        done = subprocess.run(
            command, env=os.environ | {"ATELIER_HOME": f"{folder}/home"}, stdout=subprocess.PIPE, check=True, cwd=ROOT
        )
        figures = json.loads(done.stdout)
        return Command(figures["succeeded"], time.perf_counter() - started, float(figures["seconds"]))


def measure(files: Sequence[Path], styles: Sequence[str], times: int) -> dict[str, Any]:
    """Paint files in styles, bare and by the command in turn, so many times; return medians."""
    pictures = canvases(Settings(), files)
    measured = [(generator_seconds(pictures, styles), run_command(files, styles)) for _ in range(times)]
    batch = statistics.median(command.batch_seconds for _, command in measured)
    images = len(files) * len(styles)
    return {
        "pictures": images,
        "succeeded": [command.succeeded for _, command in measured],
        "times": times,
        "generator_alone_seconds": round(statistics.median(bare for bare, _ in measured), 2),
        "batch_seconds": round(batch, 2),
        "command_seconds": round(statistics.median(command.seconds for _, command in measured), 2),
        "generator_share_of_batch": round(statistics.median(b / one.batch_seconds for b, one in measured), 3),
        "generator_share_of_command": round(statistics.median(b / one.seconds for b, one in measured), 3),
        "images_per_second": round(images / batch, 2),
    }


def main() -> None:
    """Measure the sample catalogue."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    write_results("generator_share", {"machine": machine()} | measure(sample_files(), STYLES, times))


if __name__ == "__main__":
    main()
