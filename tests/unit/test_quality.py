"""Figures of renditions beside their photos, and the gate over them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from shared.errors import UsageError
from shared.quality.gate import Gate, GateRule, Quality
from shared.strength import Strength
from workers.images.compose import compose
from workers.styling.measure import MEASURED_PX, Pixels, measure

SIDE = 2 * MEASURED_PX


def product() -> tuple[Pixels, Pixels]:
    """A photo of something coloured on white, and where it is painted."""
    photo = np.full((SIDE, SIDE, 3), 250, np.uint8)
    weight = np.zeros((SIDE, SIDE), np.uint8)
    middle = slice(SIDE // 4, 3 * SIDE // 4)
    noise = np.random.default_rng(1).integers(40, 200, (16, 16, 3), dtype=np.uint8)
    photo[middle, middle] = np.kron(noise, np.ones((SIDE // 32, SIDE // 32, 1), np.uint8))
    weight[middle, middle] = 255
    return photo, weight


def test_the_photo_itself_is_at_no_distance() -> None:
    photo, weight = product()
    quality = measure(photo, photo, weight, Strength(0.0))
    figures = quality.json
    assert 30 < figures.pop("lightness") < 70
    kept = {"white_kept": 1, "edges": 1}
    lost = dict.fromkeys(("content_distance", "product_delta_e", "delta_e_p95", "silhouette", "halo", "strength"), 0)
    assert figures == kept | lost


def test_how_light_a_product_is_does_not_depend_on_its_background() -> None:
    photo, weight = product()
    darker = np.where(weight[..., np.newaxis] == 255, photo // 3, photo)
    light, dark = (measure(one, one, weight, Strength(1.0)).lightness for one in (photo, darker))
    assert light is not None
    assert dark is not None
    assert light - dark > 15
    assert measure(photo, photo, np.zeros_like(weight), Strength(1.0)).lightness is None


def test_each_figure_tells_of_what_it_is_for() -> None:
    photo, weight = product()
    inverted, grey, dimmed = 255 - photo, photo.copy(), photo.copy()
    grey[weight == 255] = grey[weight == 255].mean(1, keepdims=True).astype(np.uint8)
    dimmed[weight == 0] -= 20
    assert measure(photo, inverted, weight, Strength(1.0)).content_distance > 0.8
    bare = measure(photo, grey, weight, Strength(1.0))
    assert bare.product_delta_e > 10
    assert bare.white_kept > 0.97  # but for the edge, where both are mixed
    assert bare.content_distance < 0.3
    lost = measure(photo, dimmed, weight, Strength(1.0))
    assert lost.white_kept < 0.05
    assert lost.product_delta_e < 1


def test_less_strength_is_nearer_in_every_figure() -> None:
    photo, weight = product()
    paint = np.flip(photo, 0).copy()
    figures = [
        measure(photo, compose(photo, photo, paint, weight, strength=share), weight, Strength(share))
        for share in (1.0, 0.75, 0.5, 0.25)
    ]
    for more, less in pairwise(figures):
        assert less.content_distance < more.content_distance
        assert less.product_delta_e < more.product_delta_e


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 900), (900, 3), (12, 12)])
def test_pictures_of_any_shape_are_measured(height: int, width: int) -> None:
    photo = np.full((height, width, 3), 200, np.uint8)
    quality = measure(photo, 255 - photo, np.full((height, width), 255, np.uint8), Strength(1.0))
    assert all(np.isfinite(value) for value in quality.json.values())


def test_a_gate_goes_by_the_limits_it_has() -> None:
    quality = Quality(0.3, 12.0, 0.99, 1.0)
    assert Gate(content=0.3).passes(quality)
    assert not Gate(content=0.29).passes(quality)
    assert not Gate(content=0.5, delta_e=11.9).passes(quality)
    assert not Gate(white=1.0).passes(quality)
    assert Gate.from_json({"content": 0.1, "delta_e": None, "white": None, "rule": "blend"}) == Gate(
        0.1, rule=GateRule.BLEND
    )
    assert Gate(content=0.1).making == {}
    assert Gate(content=0.1, rule=GateRule.BLEND).making != Gate(content=0.2, rule=GateRule.BLEND).making


@pytest.mark.parametrize("wrong", [{}, {"content": -1.0}, {"white": 1.1}, {"content": 0.5, "rule": "burn"}])
def test_a_gate_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="gate"):
        Gate(**wrong)  # type: ignore[arg-type]
