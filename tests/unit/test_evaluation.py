"""Evaluating from files: real photos on disk, a real (random) checkpoint and random VGG-19 features."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from shared.errors import UsageError
from shared.settings import Settings
from workers.drawing.contact_sheet import Cell, side_by_side
from workers.model.checkpoint import Checkpoint, row_to_bytes, trunk_to_bytes
from workers.model.config import StyleSource
from workers.model.dataset import load_image
from workers.model.generator import Architecture, Generator, neutral_row
from workers.model.measures.evaluation import STYLE_PX, StyleTargets, meets_goal, summary
from workers.model.measures.panel import Panel, folder_of, split, stratified
from workers.model.measures.recognition import Recogniser, label_of, labelled
from workers.model.vgg import LAYERS, Vgg
from workers.tools.evaluation import evaluate_from_files
from workers.tools.evaluation_table import comparison_table, evaluation_table, robustness_table
from workers.training.candidate import Candidate
from workers.training.evaluation_files import EvaluationFiles

STYLES = (StyleSource("waves", "waves.png"), StyleSource("dots", "dots.png"))


def save_vgg(path: Path) -> None:
    torch.manual_seed(0)
    convs = Vgg().convs
    tensors: dict[str, torch.Tensor] = {}
    for layer in LAYERS:
        if not isinstance(layer, str):
            weights = convs[layer[0]].state_dict()
            tensors |= {f"features.{layer[1]}.{kind}": weights[kind].half() for kind in ("weight", "bias")}
    save_file(tensors, path)


def save_checkpoint(folder: Path, seed: int) -> None:
    torch.manual_seed(seed)
    architecture = Architecture(width=4, blocks=1)
    row = row_to_bytes(neutral_row(architecture))
    trunk = trunk_to_bytes(Generator(architecture))
    Checkpoint(architecture, trunk, {style.name: row for style in STYLES}, STYLES).save(folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> EvaluationFiles:
    """Two folders of photos, one of them labelled: light clothes and dark ones, on white."""
    folder, rng = tmp_path_factory.mktemp("evaluation"), np.random.default_rng(5)
    for name in ("clothes", "things", "styles"):
        (folder / name).mkdir()
    for number in range(100):
        label, low = (("dress", 150), ("hat", 0))[number % 2]
        pixels = np.full((48, 40, 3), 255, np.uint8)
        pixels[8:40, 8:32] = rng.integers(low, low + 60, (32, 24, 3))
        Image.fromarray(pixels).save(folder / "clothes" / f"{label}_{number}.png")
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (40, 64, 3), dtype=np.uint8)).save(folder / "things" / f"{number}.png")
    for style in STYLES:
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / "styles" / style.file)
    save_vgg(folder / "vgg.safetensors")
    save_checkpoint(folder / "one", 1)
    save_checkpoint(folder / "two", 2)
    return EvaluationFiles(
        [folder / "clothes", folder / "things"],
        folder / "styles",
        str(folder / "vgg.safetensors"),
        [folder / "one", folder / "two"],
        folder / "out",
    )


def test_the_command_measures_checkpoints_and_writes_figures_and_sheets(files: EvaluationFiles) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ATELIER_")}
    options = [f"--photos={photos}" for photos in files.photos] + [f"--checkpoint={one}" for one in files.checkpoints]
    options += [f"--styles={files.styles}", f"--vgg={files.vgg}", f"--out={files.out}", "--px=64", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "producer.commands.main", "evaluate", *options],
        env=environment | {"OMP_NUM_THREADS": "1"},  # torch's threads wait for each other where tests share the cores
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((files.out / "evaluation.json").read_text())
    assert f"photo 1 of {len(found['panel']['photos'])}" in done.stderr
    first, second = found["checkpoints"]
    assert first["trunk_sha256"] != second["trunk_sha256"]
    assert [style["style"] for style in first["styles"]] == ["waves", "dots"]
    # The rows are alike, so both styles give the same pictures, and only what looks at the style differs.
    waves, dots = first["styles"]
    assert waves["ssim"] == dots["ssim"]
    assert waves["style_error"] != dots["style_error"]
    assert waves["white_kept"] > 0.5  # an untrained network leaves none; the mask gives way near the product
    assert found["recognition"]["accuracy"] == 1
    assert 0 <= waves["agreement"] <= 1
    assert waves["lpips"] is None
    assert "LPIPS is left out" in done.stderr
    assert waves["lattice"] >= 0
    assert "ringing" in waves
    assert 0 <= waves["hue_kept"] <= 1
    assert len(first["renditions"]["waves"]) == len(found["panel"]["photos"])
    for name in ("sheet.jpg", "sheet-2.jpg"):
        with Image.open(files.out / name) as sheet:
            assert sheet.height > sheet.width

    table = evaluation_table(first)
    assert len({len(line) for line in table}) == 1
    assert table[1].startswith("waves")
    assert f"{waves['ssim']:.3f}" in table[1]
    shaken = robustness_table(first)
    assert [line.split()[0] for line in shaken] == ["style", "waves", "dots", "all"]
    assert f"{first['robustness']['overall']['noise']:.2f}" in shaken[-1]
    change = comparison_table(found["checkpoints"])[-1]
    assert f"{second['overall']['ssim'] - first['overall']['ssim']:+.3f}" in change


def test_what_is_missing_is_named(files: EvaluationFiles, tmp_path: Path) -> None:
    def evaluate(**changes: object) -> None:
        evaluate_from_files(replace(files, **changes), Settings(device="cpu"), 64, lambda _: None)  # type: ignore[arg-type]

    with pytest.raises(UsageError, match=r"waves\.png.*--styles"):
        evaluate(styles=tmp_path)
    with pytest.raises(UsageError, match="VGG-19"):
        evaluate(vgg=str(tmp_path / "none.safetensors"))
    with pytest.raises(UsageError, match="0 photos in"):
        evaluate(photos=[tmp_path])
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UsageError, match="--out"):
        evaluate(out=blocked / "out")


def test_several_images_of_a_style_are_measured_together(files: EvaluationFiles, tmp_path: Path) -> None:
    both = tmp_path / "both"
    both.mkdir()
    for style in STYLES:
        (both / style.file).write_bytes((files.styles / style.file).read_bytes())
    vgg = Vgg.load(Path(str(files.vgg)))
    images = [load_image(both / style.file, STYLE_PX) for style in STYLES]
    one, other, together = (
        StyleTargets.of([own], vgg, torch.device("cpu")) for own in (images[:1], images[1:], images)
    )
    for tap, gram in together.grams.items():
        assert torch.allclose(gram, (one.grams[tap] + other.grams[tap]) / 2)
        means = [target.moments[tap][0] for target in (one, other, together)]
        assert torch.allclose(means[2], (means[0] + means[1]) / 2)
    checkpoint = Checkpoint.load(files.checkpoints[0])
    style = StyleSource("both", "both")
    rows = {"both": checkpoint.rows["waves"]}
    replace(checkpoint, styles=(style,), rows=rows).save(tmp_path / "checkpoint")
    candidate = Candidate.load(tmp_path / "checkpoint", replace(files, styles=tmp_path), vgg, torch.device("cpu"))
    assert torch.equal(candidate.targets.grams["relu4_1"], together.grams["relu4_1"])
    assert candidate.sheet[0][1] is not None, "the style has a thumbnail"


def test_only_the_styles_asked_for_are_measured(files: EvaluationFiles) -> None:
    vgg = Vgg.load(Path(str(files.vgg)))
    candidate = Candidate.load(files.checkpoints[0], replace(files, only=["waves"]), vgg, torch.device("cpu"))
    assert [style.name for style in candidate.styles] == ["waves"]
    assert len(candidate.rows) == len(candidate.targets.grams["relu4_1"]) == 1
    with pytest.raises(UsageError, match="knows none of the styles udnie"):
        Candidate.load(files.checkpoints[0], replace(files, only=["udnie"]), vgg, torch.device("cpu"))


def test_renditions_in_a_style_that_several_checkpoints_know_are_laid_side_by_side() -> None:
    def sheet(*styles: str) -> list[list[Cell | None]]:
        picture = Image.new("RGB", (2, 2))
        return [
            [None, *(Cell(picture, s) for s in styles)],
            [Cell(picture, "mug"), *(Cell(picture, s) for s in styles)],
        ]

    found = side_by_side([sheet("a", "b"), sheet("b"), sheet("c", "b")])
    assert [cell and cell.label for cell in found[0]] == [None, "b 1", "b 2", "b 3"]
    assert [cell and cell.label for cell in found[1]] == ["mug", "b", "b", "b"]
    assert side_by_side([sheet("a"), sheet("b")]) == []


def test_the_panel_depends_on_the_photos_alone(files: EvaluationFiles, tmp_path: Path) -> None:
    test, others = split(files.photos)
    assert not {photo.read_bytes() for photo in test} & {photo.read_bytes() for photo in others}
    chosen = stratified(test, 6, folder_of)
    assert [photo.parent.name for photo in chosen] == ["clothes", "things"] * 3
    copies = []
    for number, photo in enumerate(chosen):
        copies.append(tmp_path / f"{number}.png")
        copies[-1].write_bytes(photo.read_bytes())
    panel = Panel.of(chosen, 32)
    assert panel.data_hash == Panel.of(copies, 32).data_hash
    assert panel.data_hash != Panel.of(copies, 64).data_hash
    assert panel.data_hash != Panel.of(copies[1:], 32).data_hash
    assert max(panel.load(chosen[0]).shape[2:]) == 32


def test_a_folder_with_too_few_photos_leaves_its_share_to_the_others() -> None:
    photos = [Path("a/1"), Path("b/1"), Path("b/2"), Path("b/3")]
    assert stratified(photos, 4, folder_of) == [Path("a/1"), Path("b/1"), Path("b/2"), Path("b/3")]
    assert stratified(photos, 2, folder_of) == [Path("a/1"), Path("b/1")]


def test_only_names_with_a_class_and_a_number_are_labels() -> None:
    assert label_of(Path("t-shirt_012.jpg")) == "t-shirt"
    assert label_of(Path("alexandru-acea-686569-unsplash.jpg")) is None
    assert label_of(Path("14805480.jpg")) is None
    photos = [Path(f"{name}_{i}.jpg") for name in ("hat", "shoes") for i in range(3)] + [Path("odd_1.jpg")]
    assert {label: len(found) for label, found in labelled(photos, 2).items()} == {"hat": 2, "shoes": 2}
    assert labelled(photos[:3], 2) == {}


def test_the_recogniser_tells_apart_what_it_learnt() -> None:
    rng = torch.Generator().manual_seed(2)
    centres = torch.randn(3, 20, generator=rng)
    classes = torch.arange(30) % 3
    recogniser = Recogniser(centres[classes] + 0.1 * torch.randn(30, 20, generator=rng), classes)
    assert recogniser.classify(centres).tolist() == [0, 1, 2]


def test_a_summary_takes_medians_and_averages_shares_where_they_apply() -> None:
    figures: list[dict[str, float | None]] = [
        {"ssim": 0.1, "white_kept": None},
        {"ssim": 0.2, "white_kept": 1.0},
        {"ssim": 0.9, "white_kept": 0.5},
    ]
    assert summary(figures) == {"ssim": 0.2, "white_kept": 0.75}
    assert summary([{"agreement": None}]) == {"agreement": None}


def test_the_goal_is_met_only_on_every_line() -> None:
    good: dict[str, float | None] = {
        "edge_ssim": 0.6,
        "edge_structure": 0.8,
        "covariance_error": 0.25,
        "stroke_error": 0.45,
    }
    assert meets_goal(good)
    limits = (("edge_ssim", 0.59), ("edge_structure", 0.79), ("covariance_error", 0.26), ("stroke_error", 0.46))
    for name, value in (*limits, ("edge_ssim", None)):
        assert not meets_goal({**good, name: value})
