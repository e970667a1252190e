"""The generator as ONNX, run by ONNX Runtime beside the original."""

import json
from pathlib import Path

import onnxruntime
import pytest
import torch

from producer.commands.main import make_app
from shared.errors import UsageError
from workers.model.checkpoint import Checkpoint, row_from_bytes, row_to_bytes, trunk_from_bytes, trunk_to_bytes
from workers.model.config import StyleSource
from workers.model.generator import Architecture, Generator, neutral_row
from workers.tools import onnx_export

ARCHITECTURE = Architecture(width=4, blocks=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(2)
    styles = (StyleSource("waves", "waves.png"), StyleSource("dots", "dots.png"))
    rows = {
        style.name: row_to_bytes(neutral_row(ARCHITECTURE) + 0.3 * torch.randn(ARCHITECTURE.row_size))
        for style in styles
    }
    checkpoint = Checkpoint(ARCHITECTURE, trunk_to_bytes(Generator(ARCHITECTURE)), rows, styles)
    folder = tmp_path_factory.mktemp("checkpoint")
    checkpoint.save(folder)
    return folder


def export(*arguments: object) -> None:
    make_app()(["export", *map(str, arguments)], standalone_mode=False)


@torch.inference_mode()
def test_what_was_exported_paints_like_the_original_at_any_size_or_is_not_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "generator.onnx"
    export("--checkpoint", folder, "--out", out, "--json")
    made = json.loads(capsys.readouterr().out)
    assert made["bytes"] == out.stat().st_size
    assert made["largest_difference"] < 1 / 255

    checkpoint = Checkpoint.load(folder)
    generator, session = trunk_from_bytes(checkpoint.trunk), onnxruntime.InferenceSession(out)
    assert session.get_modelmeta().custom_metadata_map["trunk_sha256"] == checkpoint.trunk_sha256
    assert [one.shape for one in session.get_outputs()] == [["n", 3, "h", "w"]]
    rows = torch.stack([row_from_bytes(row) for row in checkpoint.rows.values()])
    for count, height, width in ((1, 32, 32), (2, 33, 47), (1, 101, 66), (2, 128, 64)):
        photo = torch.rand(count, 3, height, width)
        (painted,) = session.run(["painted"], {"photo": photo.numpy(), "rows": rows[:count].numpy()})
        assert painted.shape == photo.shape
        assert abs(generator(photo, rows[:count]).numpy() - painted).max() < 1e-4

    with pytest.raises(onnx_export.ExportDiffers, match="nothing was written"):
        onnx_export.write_checked(out.read_bytes(), Generator(ARCHITECTURE).eval(), rows, tmp_path / "other.onnx")
    assert list(tmp_path.iterdir()) == [out]


def test_packages_that_are_missing_are_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(UsageError, match=r"needs no_such_package: pip install 'atelier\[onnx\]'"):
        export("--checkpoint", folder, "--out", tmp_path / "generator.onnx")


def test_a_file_that_cannot_be_made_is_refused_first(folder: Path, tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "none" / "generator.onnx"):
        with pytest.raises(UsageError, match="--out"):
            export("--checkpoint", folder, "--out", out)
