import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from shared.models.versions import BUILT_IN
from workers.model.checkpoint import BadCheckpoint, Checkpoint, row_from_bytes, trunk_from_bytes


def test_the_built_in_checkpoint_is_whole_small_and_says_where_it_comes_from() -> None:
    checkpoint = Checkpoint.load(BUILT_IN)
    trunk = trunk_from_bytes(checkpoint.trunk)
    assert len(checkpoint.rows) >= 6
    assert all("_" not in name for name in checkpoint.rows)
    assert all(row_from_bytes(row).shape == (trunk.architecture.row_size,) for row in checkpoint.rows.values())
    assert {"config", "data_sha256", "curves", "style_sha256"} <= set(checkpoint.provenance)
    assert sum(file.stat().st_size for file in BUILT_IN.rglob("*") if file.is_file()) <= 5_000_000


def test_its_styles_paint_differently_and_in_range() -> None:
    checkpoint = Checkpoint.load(BUILT_IN)
    trunk = trunk_from_bytes(checkpoint.trunk)
    photo = torch.rand(1, 3, 64, 64)
    painted = [trunk(photo, row_from_bytes(row)[None]) for row in checkpoint.rows.values()]
    assert all((a - b).abs().mean() > 0.02 for a, b in pairwise(painted))


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    shutil.copytree(BUILT_IN, tmp_path / "checkpoint")
    trunk = tmp_path / "checkpoint" / "trunk.safetensors"
    data = bytearray(trunk.read_bytes())
    data[-1] ^= 1
    trunk.write_bytes(data)
    with pytest.raises(BadCheckpoint, match="hash"):
        Checkpoint.load(tmp_path / "checkpoint")


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", b"PK\x03\x04" + bytes(100)])
def test_foreign_bytes_are_no_trunk(data: bytes) -> None:
    with pytest.raises(BadCheckpoint):
        trunk_from_bytes(data)
