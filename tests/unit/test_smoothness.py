"""Strength and mixes of the built-in checkpoint are continuous: neighbouring values give neighbouring pictures."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.models.versions import BUILT_IN
from workers.images.background import paint_weight
from workers.images.compose import Pixels, compose, shrink, working_size
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.tiles import paint

SAMPLE = Path(__file__).parents[2] / "samples" / "photos" / "handbag.jpg"
STEPS = 20


class Handbag:
    """A sample product at 112 px and the built-in checkpoint to paint it with."""

    def __init__(self) -> None:
        checkpoint = Checkpoint.load(BUILT_IN)
        self.trunk = trunk_from_bytes(checkpoint.trunk)
        self.rows = {name: row_from_bytes(row) for name, row in checkpoint.rows.items()}
        with Image.open(SAMPLE) as image:
            rgb = np.asarray(image.convert("RGB"))
        self.photo = shrink(rgb, working_size(rgb.shape[1], rgb.shape[0], working_px=112, texture_scale=1))
        self.weight = paint_weight(self.photo)

    @torch.inference_mode()
    def painted(self, row: torch.Tensor) -> Pixels:
        pixels, area = torch.from_numpy(np.array(self.photo)), torch.from_numpy(self.weight)
        painted = paint(self.trunk, pixels.permute(2, 0, 1)[None] / 255, row[None], area[None, None] / 255)
        return (painted[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()

    def blended(self, painted: Pixels, strength: float) -> Pixels:
        return compose(self.photo, self.photo, painted, self.weight, strength=strength)


@pytest.fixture(scope="module")
def handbag() -> Handbag:
    return Handbag()


def assert_smooth(pictures: list[Pixels], *, largest: float, detour: float) -> None:
    """No step is larger than ``largest`` average ones, and the way is at most ``detour`` times the direct one."""
    floats = [picture.astype(np.float32) for picture in pictures]
    steps = [float(np.abs(b - a).mean()) for a, b in pairwise(floats)]
    direct = float(np.abs(floats[-1] - floats[0]).mean())
    assert direct > 10
    assert min(steps) > 0
    assert max(steps) <= largest * sum(steps) / len(steps)
    assert sum(steps) <= detour * direct


def test_strength_leads_straight_from_the_photo_to_the_rendition(handbag: Handbag) -> None:
    painted = handbag.painted(handbag.rows["great-wave"])
    pictures = [handbag.blended(painted, step / STEPS) for step in range(STEPS + 1)]
    assert np.array_equal(pictures[0], handbag.photo)
    assert_smooth(pictures, largest=1.1, detour=1.05)


@pytest.mark.parametrize(("one", "other"), [("shipwreck-minotaur", "renoir-galette"), ("udnie", "vangogh-olive")])
def test_a_mix_leads_gradually_from_one_style_to_another(handbag: Handbag, one: str, other: str) -> None:
    """Of all pairs of the built-in learnt styles, the one with the largest step and the one with the longest way."""
    a, b = handbag.rows[one], handbag.rows[other]
    pictures = [handbag.painted((1 - step / STEPS) * a + step / STEPS * b) for step in range(STEPS + 1)]
    assert np.array_equal(pictures[0], handbag.painted(a))
    assert np.array_equal(pictures[-1], handbag.painted(b))
    assert_smooth(pictures, largest=3, detour=1.6)
