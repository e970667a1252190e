"""One process of a data-parallel run, started by torchrun: trains a tiny network and writes what it learnt.

The second one wants to pause after its first step.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch

from workers.model.config import Stage, StyleSource, TrainConfig
from workers.model.dataset import PhotoSet, with_area
from workers.model.generator import Architecture
from workers.model.learning import parallel
from workers.model.learning.run import Run
from workers.model.learning.style_set import StyleSet
from workers.model.learning.training import TrainingData, train
from workers.model.vgg import Vgg


def main(out: Path) -> None:
    config = TrainConfig(
        styles=(StyleSource("dots", "dots.png"),),
        stages=(Stage(steps=3, crop_px=32, crops=1, style_target=0.1),),
        architecture=Architecture(width=4, blocks=1),
    )
    torch.set_num_threads(1)
    parallel.join(torch.device("cpu"))
    torch.manual_seed(0)
    vgg, rng = Vgg(), np.random.default_rng(1)
    pictures = [torch.from_numpy(rng.integers(0, 256, (3, 64, 64), dtype=np.uint8)) for _ in range(6)]
    styles = StyleSet.of(((pictures[0],),), {"dots": "made here"}, vgg, torch.device("cpu"))
    photos = [with_area(picture) for picture in pictures[1:]]
    data = TrainingData(PhotoSet(tuple(photos[:4]), tuple(photos[4:]), (), "made here"), styles)
    run = Run(config, None, torch.device("cpu"))
    run.draw_apart(parallel.rank())
    folder = out / str(parallel.rank())
    folder.mkdir(parents=True)
    patience = 0 if parallel.rank() == 1 else math.inf
    train(run, data, vgg, folder, report=lambda _: None, deadline_seconds=patience)
    run.save(folder / "paused.safetensors")
    train(run, data, vgg, folder, report=lambda _: None)
    run.save(folder / "learnt.safetensors")
    parallel.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
