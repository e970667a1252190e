"""How fast is the generator beside the usual network? Run it as ``python -m tests.bench.generator_speed``.

Pictures per second of Atelier's generator (16 styles in one network) and of the architecture of
pytorch/examples ``fast_neural_style`` (one network per style), one picture at a time on one thread, or
on a GPU; each in fp32 and in bfloat16, as written (``autocast``) for the baseline. Taken in turn, medians,
and the ratio of the two in each round. Writes ``tests/bench/results/generator_speed.json``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tests.bench.fast_neural_style import FastNeuralStyle
from tests.bench.results import machine, write_results
from workers.model.generator import Architecture, Generator, neutral_row

SIZES = (256, 512, 1024)


def contenders(device: torch.device, px: int) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name, each painting one picture of ``px`` pixels on each side."""
    photo = torch.rand(1, 3, px, px, device=device).contiguous(memory_format=torch.channels_last)
    ours = Generator().eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    row = neutral_row(Architecture())[None].to(device)
    theirs = FastNeuralStyle().eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)

    def baseline(half: bool) -> object:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            return theirs(photo)

    return {
        "baseline fp32": lambda: baseline(False),
        "atelier fp32": lambda: ours(photo, row),
        "baseline bf16": lambda: baseline(True),
        "atelier bf16": lambda: ours(photo.bfloat16(), row),
    }


@torch.inference_mode()
def seconds_of_each(device: torch.device, px: int, rounds: int) -> dict[str, list[float]]:
    """Time every contender in turn, ``rounds`` times: seconds by name."""
    timed = contenders(device, px)
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(rounds + 1):
        for name, paint in timed.items():
            _wait(device)
            started = time.perf_counter()
            paint()
            _wait(device)
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - started)
    return seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(device: torch.device, sizes: Sequence[int], times: int) -> dict[str, Any]:
    """Return rates and ratios, medians, by size."""
    found = {}
    for px in sizes:
        seconds = seconds_of_each(device, px, times)
        rates = {name: round(1 / statistics.median(each), 2) for name, each in seconds.items()}
        ratios = {
            f"ratio {kind}": round(
                statistics.median(
                    b / a for a, b in zip(seconds[f"atelier {kind}"], seconds[f"baseline {kind}"], strict=True)
                ),
                2,
            )
            for kind in ("fp32", "bf16")
        }
        found[str(px)] = rates | ratios
    return {"device": str(device), "times": times, "by_px": found}


def main() -> None:
    """Measure, print the table, write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=9)
    times = parser.parse_args().times
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    write_results("generator_speed", {"machine": machine()} | measure(device, SIZES, times))


if __name__ == "__main__":
    main()
