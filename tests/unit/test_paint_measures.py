"""Measures of painted pictures whose right answers are known."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from shared.errors import UsageError
from workers.model.measures.hue import hue_kept
from workers.model.measures.lattice import lattice
from workers.model.measures.lpips import LAYERS, Lpips
from workers.model.measures.ringing import ringing
from workers.model.ssim import Similarity

FLAT = torch.full((1, 3, 128, 160), 0.5)


def lattice_of(image: Tensor, photo: Tensor = FLAT) -> float:
    return float(lattice(image, photo, Similarity.between(image, photo)))


def ringing_of(image: Tensor, photo: Tensor) -> float:
    return float(ringing(image, photo, Similarity.between(image, photo)))


def step_photo() -> Tensor:
    photo = torch.full((1, 3, 96, 160), 0.3)
    photo[..., 80:] = 0.7
    return photo


def uniform(colour: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 32, 32)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_board_of_one_level_is_a_lattice_of_about_one(period: int) -> None:
    at = torch.arange(160) // (period // 2) % 2
    board = (2 * (at[:128, None] ^ at[None]) - 1) / 255
    assert lattice_of(FLAT + board) == pytest.approx(1, abs=0.05)
    assert lattice_of(FLAT + board, FLAT + board) == 0


def test_noise_and_strokes_of_another_period_are_hardly_a_lattice() -> None:
    noise = 0.05 * torch.randn(1, 3, 128, 160, generator=torch.Generator().manual_seed(2))
    strokes = 0.05 * torch.sin(torch.arange(160) * 2 * math.pi / 7)
    assert lattice_of(FLAT + noise) < 0.5
    assert lattice_of(FLAT + strokes) < 1  # a tenth of theirs: few cells average them out incompletely


def test_waves_beside_an_edge_are_ringing_and_even_texture_is_not() -> None:
    photo, distance = step_photo(), (torch.arange(160) - 79.5).abs()
    waves = 0.05 * torch.cos(distance * 2 * math.pi / 6)
    assert ringing_of(photo, photo) == 0
    assert ringing_of(photo + waves * (distance < 18), photo) > 5
    assert ringing_of(photo + waves, photo) < ringing_of(photo + waves * (distance < 18), photo) / 3
    assert math.isnan(ringing_of(FLAT, FLAT))


def test_a_turned_or_lost_hue_is_not_kept_and_a_grey_photo_has_none() -> None:
    red = uniform((0.8, 0.2, 0.2))
    assert float(hue_kept(red, red)) == 1
    assert float(hue_kept(uniform((0.6, 0.1, 0.1)), red)) == 1
    assert float(hue_kept(uniform((0.2, 0.3, 0.8)), red)) == 0
    assert float(hue_kept(uniform((0.5, 0.5, 0.5)), red)) == 0
    assert math.isnan(float(hue_kept(red, uniform((0.5, 0.5, 0.5)))))


def published_names() -> dict[str, Tensor]:
    """Random weights under the published names; heads are never negative."""
    rng = torch.Generator().manual_seed(1)
    weights = {}
    for i, (at, inputs, outputs, kernel, _, _) in enumerate(LAYERS):
        weights[f"features.{at}.weight"] = torch.randn(outputs, inputs, kernel, kernel, generator=rng) / 20
        weights[f"features.{at}.bias"] = torch.zeros(outputs)
        weights[f"lin{i}.model.1.weight"] = torch.rand(1, outputs, 1, 1, generator=rng)
    return weights


def test_lpips_is_zero_for_equal_pictures_and_grows_with_what_changes(tmp_path: Path) -> None:
    save_file(published_names(), tmp_path / "lpips.safetensors")
    lpips, photo = Lpips.load(tmp_path / "lpips.safetensors"), torch.rand(1, 3, 64, 80)
    little, much = lpips(torch.cat((photo * 0.95, 1 - photo)), photo).tolist()
    assert float(lpips(photo, photo)) == 0
    assert 0 < little < much


def test_a_foreign_file_of_lpips_weights_is_named(tmp_path: Path) -> None:
    weights = published_names()
    del weights["lin3.model.1.weight"]
    save_file(weights, tmp_path / "part.safetensors")
    for file in ("part.safetensors", "none.safetensors"):
        with pytest.raises(UsageError, match=f"{file}.*--lpips"):
            Lpips.load(tmp_path / file)
