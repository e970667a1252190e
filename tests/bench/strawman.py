"""What everyone writes first, and what a researcher has: the rivals that ``side_by_side`` measures.

The strawman is one Celery task per image in a prefork pool; the script, after pytorch/examples ``stylize``, a loop over
a folder in one process. Both paint a photo as it is, with Atelier's generator or with the baseline's architecture,
whose random weights do as well for time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from celery import Celery
from PIL import Image
from torch import Tensor

from tests.bench.fast_neural_style import FastNeuralStyle
from tests.bench.installation import ROOT
from tests.bench.real_worker import STYLE
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.runtime.painter import fastest_precision

app = Celery("strawman", broker=os.environ.get("STRAWMAN_BROKER"))
app.conf.update(task_ignore_result=True, task_default_queue=os.environ.get("STRAWMAN_QUEUE", "strawman"))


@app.task(name="stylize")  # type: ignore[untyped-decorator]
def stylize(network: str, source: str, target: str) -> None:
    """One image, as a task."""
    paint_file(load(network), source, target)


@lru_cache(maxsize=1)
def load(network: str) -> Callable[[Tensor], Tensor]:
    """Load a network, once a process; ``STRAWMAN_THREADS`` is torch's number of threads, if it is set."""
    if threads := os.environ.get("STRAWMAN_THREADS"):
        torch.set_num_threads(int(threads))
    if network == "baseline":
        return FastNeuralStyle().eval().requires_grad_(False)
    checkpoint = Checkpoint.load(ROOT / "shared" / "checkpoint")
    generator = trunk_from_bytes(checkpoint.trunk).to(memory_format=torch.channels_last)
    row = row_from_bytes(checkpoint.rows[STYLE])[None]
    precision = fastest_precision(torch.device("cpu"))
    return lambda photo: generator(photo.to(precision), row)


@torch.inference_mode()
def paint_file(network: Callable[[Tensor], Tensor], source: str, target: str) -> None:
    """Read, paint, write."""
    with Image.open(source) as image:
        photo = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float() / 255
    painted = (network(photo)[0] * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    Image.fromarray(painted.numpy()).save(target, quality=90)


def main() -> None:
    """Paint a folder: NETWORK SOURCES TARGETS. Prints images per second, the first one left out."""
    network, sources, targets = load(sys.argv[1]), sorted(Path(sys.argv[2]).iterdir()), Path(sys.argv[3])
    targets.mkdir()
    paint_file(network, str(sources[0]), str(targets / sources[0].name))
    started = time.perf_counter()
    for source in sources[1:]:
        paint_file(network, str(source), str(targets / source.name))
    sys.stdout.write(f"{(len(sources) - 1) / (time.perf_counter() - started)}\n")


if __name__ == "__main__":
    main()
