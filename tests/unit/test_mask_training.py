"""Training and measuring the segmentation network on drawn products, through the commands."""

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from producer.commands.main import make_app
from tests.drawn_products import draw_cut_outs, draw_scenes, ring_on

CONFIG = {"steps": 3, "minibatch": 2, "px": 64, "warm_up": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    draw_cut_outs(folder / "products", 40)
    draw_scenes(folder / "scenes", 40)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def atelier(*arguments: object) -> Result:
    return CliRunner().invoke(make_app(), [str(argument) for argument in arguments])


def train(data: Path, out: Path, *arguments: object) -> Result:
    files = ("--products", data / "products", "--scenes", data / "scenes", "--config", data / "config.json")
    return atelier("train-mask", *files, "--out", out, *arguments)


def test_an_interrupted_training_gives_the_same_network_as_one_without_a_break(data: Path, tmp_path: Path) -> None:
    assert json.loads(train(data, tmp_path / "whole", "--json").stdout)["finished"] is True
    for step in (1, 2, 3):
        paused = json.loads(train(data, tmp_path / "broken", "--minutes", 0, "--json").stdout)
        assert (paused["step"], paused["finished"]) == (step, step == 3)
    networks = [(tmp_path / name / "network.safetensors").read_bytes() for name in ("whole", "broken")]
    assert networks[0] == networks[1]
    assert len(networks[0]) < 10e6


def test_masks_are_measured_and_the_document_is_written(data: Path, tmp_path: Path) -> None:
    files = ("--products", data / "products", "--scenes", data / "scenes", "--out", tmp_path / "out")
    measured = json.loads(atelier("evaluate-mask", *files, "--pictures", 8, "--json").stdout)
    assert measured == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert {"packshots", "no product"} <= set(measured["groups"])
    assert measured["groups"]["no product"]["right"] == 0
    assert sum(row["count"] for row in measured["reliability"]) == 8
    assert (tmp_path / "out" / "sheet.jpg").exists()


@pytest.mark.parametrize("options", [("--trunk", "config.json"), ("--products", "nowhere"), ("--config", "nowhere")])
def test_what_cannot_be_trained_with_is_a_usage_error(data: Path, tmp_path: Path, options: tuple[str, str]) -> None:
    result = train(data, tmp_path / "out", options[0], data / options[1])
    assert result.exit_code == 2 or "UsageError" in repr(result.exception)


def test_masks_of_a_folder_are_written_and_a_damaged_photo_is_named(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "masks"
    photos.mkdir()
    Image.fromarray(ring_on((250, 250, 250))).save(photos / "ring.jpg", quality=95)
    (photos / "torn.jpg").write_bytes((photos / "ring.jpg").read_bytes()[:900])
    result = atelier("mask", photos, "--out", out, "--json")
    assert result.exit_code == 4
    ring, torn = json.loads(result.stdout)
    assert ring["origin"] == "plain"
    assert ring["confidence"] > 0.5
    assert torn["code"] == "truncated_image"
    with Image.open(out / "ring.png") as mask:
        assert (mask.mode, mask.size) == ("L", (320, 240))
    assert sorted(path.name for path in out.iterdir()) == ["ring.png"]


def test_a_mask_never_overwrites_its_photo(tmp_path: Path) -> None:
    photo = tmp_path / "ring.png"
    Image.fromarray(ring_on((250, 250, 250))).save(photo)
    before = photo.read_bytes()
    result = atelier("mask", photo, "--out", photo)
    assert result.exit_code == 2 or "overwrite" in str(result.exception)
    assert photo.read_bytes() == before
