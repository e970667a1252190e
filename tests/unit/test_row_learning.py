from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.random_vgg import write_random_vgg
from workers.model.checkpoint import Checkpoint, row_from_bytes, row_to_bytes, trunk_from_bytes, trunk_to_bytes
from workers.model.config import Stage, StyleSource, TrainConfig
from workers.model.dataset import PhotoSet, centre_crop
from workers.model.generator import Architecture, Generator, neutral_row
from workers.model.learning.row_learning import CROP_PX, learn_row, nearest_row, row_config, suited
from workers.model.learning.row_search import search_row, search_table, weighed
from workers.model.learning.style_set import StyleSet
from workers.model.learning.training import Diverged, TrainingData
from workers.model.style_statistics import Statistics, look, style_of
from workers.model.vgg import Vgg

CPU = torch.device("cpu")
TINY = Architecture(width=4, blocks=1)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Vgg:
    return Vgg.load(write_random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors"))


@pytest.fixture(scope="module")
def known() -> Checkpoint:
    torch.manual_seed(3)
    trunk = trunk_to_bytes(Generator(TINY))
    rows = {name: row_to_bytes(neutral_row(TINY) + torch.randn(TINY.row_size)) for name in ("a", "b", "c")}
    return Checkpoint(TINY, trunk, rows, ())


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(5)
    for number in range(16):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((64, 64)).save(folder / f"{number}.png")
    return PhotoSet.load([folder], 64)


def painted_by(known: Checkpoint, name: str, photos: PhotoSet, vgg: Vgg) -> TrainingData:
    """A style whose picture is a rendition of a photo in a known style."""
    photo = photos.train[-1][:3].float()[None] / 255
    with torch.no_grad():
        picture = trunk_from_bytes(known.trunk)(photo, row_from_bytes(known.rows[name])[None])
    images = (((picture[0] * 255).round().to(torch.uint8),),)
    return TrainingData(photos, StyleSet.of(images, {"new": ""}, vgg, CPU))


def small(rate: float, steps: int = 6) -> TrainConfig:
    config = row_config(StyleSource("new", ""), TINY, steps)
    return replace(config, stages=(Stage(steps, crop_px=32, crops=2, rate=rate, final_rate=rate),))


@pytest.mark.parametrize("name", ["a", "c"])
def test_a_new_style_begins_from_the_one_that_looks_most_like_it(
    name: str, known: Checkpoint, photos: PhotoSet, vgg: Vgg
) -> None:
    data = painted_by(known, name, photos, vgg)
    assert nearest_row(trunk_from_bytes(known.trunk), known.rows, data, vgg) == name


def test_a_learnt_row_comes_nearer_to_its_style(known: Checkpoint, photos: PhotoSet, vgg: Vgg) -> None:
    data = painted_by(known, "a", photos, vgg)
    others = replace(known, rows={name: known.rows[name] for name in ("b", "c")})
    seen: list[int] = []
    learnt = learn_row(small(0.02), others, data, vgg, device=CPU, report=lambda at: seen.append(at.step))
    assert learnt.began_from in ("b", "c")
    assert learnt.error_after < learnt.error_before
    assert row_from_bytes(learnt.row).shape == (TINY.row_size,)
    assert seen == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("strength", "allowance"), [(1.0, 1), (0.6, 1), (0.25, 9)])
def test_a_pale_style_is_given_less_weight(
    strength: float, allowance: float, known: Checkpoint, photos: PhotoSet, vgg: Vgg
) -> None:
    photo = photos.train[0]
    alone = replace(photos, train=(photo, photo, photo))
    crop = centre_crop(photo, CROP_PX)
    own = style_of(look(crop[None, :3], vgg), crop[None, 3:])
    pale = {at: Statistics(one.mean, strength * one.covariance) for at, one in own.items()}
    styles = replace(painted_by(known, "a", photos, vgg).styles, statistics=pale)
    config = small(0.02)
    found = suited(config, TrainingData(alone, styles), vgg)  # the photos' error is (1 / strength − 1)²
    assert found.style_weight == pytest.approx(config.style_weight / allowance, rel=1e-4)
    assert found.stages[0].style_target == pytest.approx(config.stages[0].style_target * allowance, rel=1e-4)


def test_a_search_begins_with_the_built_in_way_and_keeps_the_best(
    known: Checkpoint, photos: PhotoSet, vgg: Vgg
) -> None:
    data = painted_by(known, "a", photos, vgg)
    others, config = replace(known, rows={"b": known.rows["b"]}), small(0.02, steps=2)
    learnt, trials = search_row(config, others, data, vgg, trials=4, report=lambda _: None)
    first = trials[0]
    assert (first.style_weight, first.rate, first.steps) == (config.style_weight, 0.02, 2)
    assert first.error == weighed(config, learn_row(config, others, data, vgg, device=CPU, report=lambda _: None))
    assert len({(trial.style_weight, trial.rate) for trial in trials}) == 4
    assert weighed(config, learnt) == min(trial.error for trial in trials if trial.error is not None)
    table = search_table(trials)
    assert len(table) == 5
    assert [line.endswith("best") for line in table].count(True) == 1
    again = search_row(config, others, data, vgg, trials=4, report=lambda _: None)
    assert again[1] == trials, "seeded"


def test_a_search_in_which_nothing_is_learnt_is_an_error(known: Checkpoint, photos: PhotoSet, vgg: Vgg) -> None:
    data = painted_by(known, "a", photos, vgg)
    with pytest.raises(Diverged):
        search_row(small(1e30, steps=1), known, data, vgg, trials=2, report=lambda _: None)


@pytest.mark.parametrize("rate", [100.0, 1e30])
def test_a_learning_that_runs_away_is_an_error(rate: float, known: Checkpoint, photos: PhotoSet, vgg: Vgg) -> None:
    data = painted_by(known, "a", photos, vgg)
    with pytest.raises(Diverged):
        learn_row(small(rate, steps=3), known, data, vgg, device=CPU, report=lambda _: None)
