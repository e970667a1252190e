import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import UnreadableImage, UsageError
from tests.random_vgg import write_random_vgg
from workers.model.checkpoint import Checkpoint, trunk_from_bytes
from workers.model.config import ADVERSARIES, Stage, StyleSource, TrainConfig
from workers.model.dataset import LEAST_PAINTED, PhotoSet, centre_crop, random_crop, with_area
from workers.model.generator import Architecture
from workers.model.learning.discriminator import Discriminator, adversarial_error, discriminator_loss, random_patches
from workers.model.learning.run import Run
from workers.model.learning.style_set import StyleSet
from workers.model.learning.training import Diverged, TrainingData, forget_after, next_styles, train, validate
from workers.model.vgg import Vgg

CPU = torch.device("cpu")
CONFIG = TrainConfig(
    styles=(StyleSource("waves", "waves.png"), StyleSource("dots", "dots.png")),
    stages=(Stage(steps=4, crop_px=32, crops=2, style_target=0.05),),
    architecture=Architecture(width=4, blocks=1),
    style_px=64,
    validate_every=2,
)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Vgg:
    return Vgg.load(write_random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, vgg: Vgg) -> TrainingData:
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(5)
    (folder / "photos").mkdir()
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "photos" / f"{number}.png")
    for name in ("waves", "dots"):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    return TrainingData(PhotoSet.load([folder / "photos"], 40), StyleSet.load(CONFIG, folder, vgg, CPU))


def run_to_end(run: Run, data: TrainingData, vgg: Vgg, folder: Path) -> Checkpoint:
    checkpoint = train(run, data, vgg, folder, report=lambda _: None)
    assert checkpoint is not None
    return checkpoint


VARIANTS: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd": {"optimiser": "sgd", "accumulate": 2},
    "adversarial": {"adversarial_weight": 0.1},
    "every term": {"adversarial_weight": 0.1, "adversarial": "least_squares"}
    | {"stages": (Stage(steps=4, crop_px=32, crops=2, style_target=0.05, stability_weight=1.0),)},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_run_resumes_bit_for_bit(variant: str, data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    config = TrainConfig(**CONFIG.__dict__ | VARIANTS[variant])
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    straight = run_to_end(Run(config, None, CPU), data, vgg, whole)
    steps = 0
    while not (parts / "checkpoint").exists():
        run = Run(config, None, CPU)
        if steps:
            run.restore(parts / "state.safetensors")
            forget_after(parts / "log.jsonl", run.step)
        train(run, data, vgg, parts, report=lambda _: None, deadline_seconds=0)
        steps += 1
    assert steps == 4
    resumed = Checkpoint.load(parts / "checkpoint")
    assert resumed.trunk == straight.trunk
    assert resumed.rows == dict(straight.rows)
    logged = [json.loads(line)["step"] for line in (parts / "log.jsonl").read_text().splitlines()]
    assert logged == [2, 4]


def test_a_run_that_stops_early_ends_with_its_best_averages(data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    # Led to flat pictures, by a term that the validation does not know, a run gets worse and worse.
    led_astray = replace(CONFIG, tv_weight=1e4, style_weight=1.0, validate_every=1, ema_decay=0.0, patience=2)
    config = replace(led_astray, stages=(Stage(steps=8, crop_px=32, crops=2),))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    straight = Run(config, None, CPU)
    run_to_end(straight, data, vgg, whole)
    curve = [json.loads(line)["validation"] for line in (whole / "log.jsonl").read_text().splitlines()]
    assert straight.step == len(curve) == straight.best_step + 2 < 8
    assert min(curve) == curve[straight.best_step - 1] < min(curve[-2:])
    assert validate(straight, data, vgg)["validation"] == pytest.approx(min(curve), abs=1e-5)
    for _ in curve:
        run = Run(config, None, CPU)
        if run_state := [*parts.glob("state.safetensors")]:
            run.restore(run_state[0])
        train(run, data, vgg, parts, report=lambda _: None, deadline_seconds=0)
    resumed, expected = Checkpoint.load(parts / "checkpoint"), Checkpoint.load(whole / "checkpoint")
    assert (resumed.trunk, resumed.rows) == (expected.trunk, expected.rows)
    assert resumed.provenance["steps_kept"] == straight.best_step
    # Asked once more, it does not go on.
    again = Run(config, None, CPU)
    again.restore(parts / "state.safetensors")
    assert run_to_end(again, data, vgg, parts).trunk == expected.trunk
    assert again.step == straight.step


def test_learning_only_rows_leaves_the_trunk_as_it_was(data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    start = run_to_end(Run(CONFIG, None, CPU), data, vgg, tmp_path / "a")
    config = TrainConfig(**CONFIG.__dict__ | {"depth": "style"})
    learnt = run_to_end(Run(config, start, CPU), data, vgg, tmp_path / "b")
    assert learnt.trunk == start.trunk
    assert learnt.rows["waves"] != start.rows["waves"]


def test_learning_the_decoder_leaves_what_comes_before_it(data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    start = run_to_end(Run(CONFIG, None, CPU), data, vgg, tmp_path / "a")
    config = TrainConfig(**CONFIG.__dict__ | {"depth": "decoder"})
    learnt = run_to_end(Run(config, start, CPU), data, vgg, tmp_path / "b")
    before, after = trunk_from_bytes(start.trunk).state_dict(), trunk_from_bytes(learnt.trunk).state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decode", "paint"}


def test_a_style_far_from_its_target_gets_more_weight_and_a_near_one_less() -> None:
    run = Run(CONFIG, None, CPU)
    for _ in range(500):
        run.balance(torch.tensor([0, 1]), torch.tensor([0.5, 0.01]), 0.1)
    base = CONFIG.style_weight
    assert run.style_weights.tolist() == [4 * base, base / 4]


def test_a_state_of_another_config_is_refused(data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    run_to_end(Run(CONFIG, None, CPU), data, vgg, tmp_path)
    other = TrainConfig(**CONFIG.__dict__ | {"architecture": Architecture(width=8, blocks=1)})
    with pytest.raises(UsageError, match="config"):
        Run(other, None, CPU).restore(tmp_path / "state.safetensors")
    (tmp_path / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="damaged"):
        Run(CONFIG, None, CPU).restore(tmp_path / "state.safetensors")


def test_a_diverging_run_keeps_its_last_good_state(data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    config = TrainConfig(**CONFIG.__dict__ | {"validate_every": 1, "content_weight": 1.0})
    run = Run(config, None, CPU)
    train(run, data, vgg, tmp_path, report=lambda _: None, deadline_seconds=0)
    kept = (tmp_path / "state.safetensors").read_bytes()
    with torch.no_grad():
        run.rows.fill_(math.nan)
    with pytest.raises(Diverged):
        train(run, data, vgg, tmp_path, report=lambda _: None)
    assert (tmp_path / "state.safetensors").read_bytes() == kept
    assert not (tmp_path / "checkpoint").exists()


def test_several_images_of_a_style_count_together(vgg: Vgg, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for path in ("waves.png", "dots.png", "both/1.png", "both/2.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / path)
    alone = [
        StyleSet.load(replace(CONFIG, styles=(StyleSource("s", file),)), tmp_path, vgg, CPU)
        for file in ("both/1.png", "both/2.png", "both")
    ]
    for at, together in alone[2].statistics.items():
        each = [one.statistics[at].covariance for one in alone[:2]]
        assert torch.allclose(together.covariance, (each[0] + each[1]) / 2)


@pytest.mark.parametrize(("image", "reason"), [((40, 90), "too small"), ((90, 90), "uniform")])
def test_a_style_image_without_a_style_is_refused(
    image: tuple[int, int], reason: str, vgg: Vgg, tmp_path: Path
) -> None:
    Image.new("RGB", image, "#80a0c0").save(tmp_path / "waves.png")
    config = replace(CONFIG, styles=(StyleSource("waves", "waves.png"),))
    with pytest.raises(UsageError, match=reason):
        StyleSet.load(config, tmp_path, vgg, CPU)


@pytest.mark.parametrize("adversarial", ADVERSARIES)
def test_the_discriminator_learns_to_tell_paintings_from_renditions(adversarial: str) -> None:
    torch.manual_seed(1)
    rng = torch.Generator().manual_seed(1)
    images = ((torch.full((3, 80, 80), 255, dtype=torch.uint8),), (torch.zeros(3, 80, 80, dtype=torch.uint8),))
    judge, styles = Discriminator(2, width=4), torch.tensor([0, 1, 0, 1])
    optimiser = torch.optim.Adam(judge.parameters(), lr=0.02)
    fake = torch.rand(4, 3, 64, 64)
    for _ in range(40):
        optimiser.zero_grad()
        real = judge(random_patches(images, styles, 64, rng), styles)
        loss = discriminator_loss(real, judge(fake, styles), adversarial)
        torch.autograd.backward(loss)
        optimiser.step()
    real = random_patches(images, styles, 64, rng)
    short = [adversarial_error(judge(images, styles), adversarial) for images in (real, fake)]
    assert (short[0] < short[1]).all()


def test_every_style_sees_as_many_crops(data: TrainingData, vgg: Vgg, tmp_path: Path) -> None:
    styles = tuple(StyleSource(f"s{number}", "") for number in range(5))
    run = Run(replace(CONFIG, styles=styles), None, CPU)
    picks = []
    for run.step in range(10):
        picks += next_styles(run, 0, 2).tolist()
    assert [sorted(picks[start : start + 5]) for start in (0, 5, 10, 15)] == [[0, 1, 2, 3, 4]] * 4
    assert picks[:5] != picks[5:10]
    run.step = 4
    assert next_styles(run, 0, 2).tolist() == picks[8:10], "decided by the step alone"


def test_a_crop_is_taken_where_there_is_something_to_paint() -> None:
    photo = torch.full((3, 200, 200), 255, dtype=torch.uint8)
    photo[:, 80:180, 20:120] = torch.randint(0, 200, (3, 100, 100), dtype=torch.uint8)
    crop = random_crop(with_area(photo), 64, torch.Generator().manual_seed(4))
    assert crop.shape == (4, 64, 64)
    assert float(crop[3].mean()) >= LEAST_PAINTED
    assert float(crop[:3][(crop[3:] < 0.01).expand(3, -1, -1)].min()) > 0.98, "what is not painted is white"


def test_a_photo_with_nothing_to_paint_gives_a_crop_all_the_same() -> None:
    photo = with_area(torch.full((3, 40, 90), 255, dtype=torch.uint8))
    assert random_crop(photo, 32, torch.Generator().manual_seed(1)).shape == (4, 32, 32)
    assert centre_crop(photo, 64).shape == (4, 64, 64)


def test_photos_are_split_by_content_and_never_on_two_sides(data: TrainingData) -> None:
    photos = data.photos
    assert len(photos.train) + len(photos.validation) + len(photos.test) == 40
    assert len(photos.train) > len(photos.validation) > 0


def noise(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(count)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("count", range(12, 17))
def test_a_small_set_of_photos_has_both_sides_too(count: int, tmp_path: Path) -> None:
    photos = PhotoSet.load([noise(tmp_path, count)], 40)
    assert len(photos.train) > len(photos.validation) > 0


def test_of_many_photos_some_are_chosen_by_content(tmp_path: Path) -> None:
    folder = noise(tmp_path / "photos", 40)
    some, again = (PhotoSet.load([folder], 40, most=15) for _ in range(2))
    assert len(some.train) + len(some.validation) + len(some.test) == 15
    assert all(torch.equal(a, b) for a, b in zip(some.train, again.train, strict=True))


def test_a_damaged_photo_is_named_and_copies_do_not_count(tmp_path: Path) -> None:
    (noise(tmp_path / "bad", 12) / "3.png").write_bytes(b"not an image")
    with pytest.raises(UnreadableImage, match=r"3\.png"):
        PhotoSet.load([tmp_path / "bad"], 40)
    folder = noise(tmp_path / "copies", 1)
    for number in range(1, 20):
        (folder / f"{number}.png").write_bytes((folder / "0.png").read_bytes())
    with pytest.raises(UsageError, match="only 1"):
        PhotoSet.load([folder], 40)


def test_what_is_missing_is_named(tmp_path: Path, vgg: Vgg) -> None:
    with pytest.raises(UsageError, match="VGG-19"):
        Vgg.load(tmp_path / "none.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="VGG-19"):
        Vgg.load(tmp_path / "damaged.safetensors")
    with pytest.raises(UsageError, match=r"waves\.png"):
        StyleSet.load(CONFIG, tmp_path, vgg, CPU)
    with pytest.raises(UsageError, match="at least"):
        PhotoSet.load([tmp_path], 40)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nonsense", 1),
        ("validate_every", 0),
        ("accumulate", "many"),
        ("depth", "roof"),
        ("adversarial", "wasserstein"),
        ("styles", []),
        ("stages", [{"steps": -1}]),
        ("styles", [{"name": "../up", "file": "a.png"}]),
    ],
)
def test_a_config_that_cannot_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(UsageError):
        TrainConfig.from_json(CONFIG.to_json() | {field: value})
