import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from shared.errors import UsageError
from workers.model.checkpoint import Checkpoint
from workers.model.config import Stage, StyleSource, TrainConfig
from workers.model.dataset import PhotoSet
from workers.model.generator import Architecture
from workers.model.training import Run, TrainingData, load_style_grams, train
from workers.model.vgg import LAYERS, Vgg

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    styles=(StyleSource("waves", "waves.png"), StyleSource("dots", "dots.png")),
    stages=(Stage(steps=4, crop_px=32, crops=2),),
    architecture=Architecture(width=4, blocks=1),
    style_px=32,
    validate_every=2,
)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Vgg:
    """Random features in the file format that real ones have."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    blank = Vgg()
    indices = {layer[0]: layer[1] for layer in LAYERS if not isinstance(layer, str)}
    tensors = {}
    for key, value in blank.state_dict().items():
        _, name, kind = key.split(".")
        tensors[f"features.{indices[name]}.{kind}"] = value.half()
    save_file(tensors, path)
    return Vgg.load(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, vgg: Vgg) -> TrainingData:
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(5)
    (folder / "photos").mkdir()
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "photos" / f"{number}.png")
    for name in ("waves", "dots"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    return TrainingData(PhotoSet.load([folder / "photos"], 40), load_style_grams(CONFIG, folder, vgg, CPU), {})


def run_to_end(run: Run, data: TrainingData, vgg: Vgg, folder: Path) -> Checkpoint:
    checkpoint = train(run, data, vgg, folder, report=lambda _: None)
    assert checkpoint is not None
    return checkpoint


def test_an_interrupted_run_resumes_bit_for_bit(data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    straight = run_to_end(Run(CONFIG, None, CPU), data, vgg, whole)
    steps = 0
    while not (parts / "checkpoint").exists():
        run = Run(CONFIG, None, CPU)
        if steps:
            run.restore(parts / "state.safetensors")
        train(run, data, vgg, parts, report=lambda _: None, deadline_seconds=0)
        steps += 1
    assert steps == 4
    resumed = Checkpoint.load(parts / "checkpoint")
    assert resumed.trunk == straight.trunk
    assert resumed.rows == dict(straight.rows)
    logged = [json.loads(line)["step"] for line in (parts / "log.jsonl").read_text().splitlines()]
    assert logged == [2, 4]


def test_learning_only_rows_leaves_the_trunk_as_it_was(data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    start = run_to_end(Run(CONFIG, None, CPU), data, vgg, tmp_path / "a")
    config = TrainConfig(**CONFIG.__dict__ | {"depth": "style"})
    learnt = run_to_end(Run(config, start, CPU), data, vgg, tmp_path / "b")
    assert learnt.trunk == start.trunk
    assert learnt.rows["waves"] != start.rows["waves"]


def test_photos_are_split_by_content_and_never_on_two_sides(data: TrainingData) -> None:
    photos = data.photos
    assert len(photos.train) + len(photos.validation) + len(photos.test) == 40
    assert len(photos.train) > len(photos.validation) > 0


def test_what_is_missing_is_named(tmp_path: Path, vgg: Vgg) -> None:
    with pytest.raises(UsageError, match="VGG-19"):
        Vgg.load(tmp_path / "none.safetensors")
    with pytest.raises(UsageError, match=r"waves\.png"):
        load_style_grams(CONFIG, tmp_path, vgg, CPU)
    with pytest.raises(UsageError, match="at least"):
        PhotoSet.load([tmp_path], 40)
    with pytest.raises(UsageError, match="nonsense"):
        TrainConfig.from_json(CONFIG.to_json() | {"nonsense": 1})
