"""Whether photos have drifted: found where they have, and not where they have not."""

from __future__ import annotations

import json
import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.models.training.drift import SHIFTED, Population, compare, farthest, population
from workers.model.measures.figures import figures

Photos = list[dict[str, float]]
FIGURES = ("lightness", "edges", "white")


def drawn(chance: random.Random, count: int, *, moved: float = 0.0, wider: float = 1.0) -> Photos:
    """Photos with a bell-shaped figure, a skewed one, and one that is mostly nought."""
    return [
        {
            "lightness": chance.gauss(70 + 10 * moved, 10 * wider),
            "edges": chance.expovariate(20),
            "white": chance.choice([0.0, 0.0, 0.0, chance.random()]),
        }
        for _ in range(count)
    ]


def drifted(before: Photos, now: Photos) -> bool:
    return any(shift.beyond for shift in compare(population(before), now))


@pytest.mark.parametrize(("before", "now"), [(30, 30), (100, 100), (400, 100), (400, 400)])
def test_of_equal_populations_hardly_any_pair_counts_as_drifted(before: int, now: int) -> None:
    chance = random.Random(before + now)
    false = sum(drifted(drawn(chance, before), drawn(chance, now)) for _ in range(200))
    assert false <= 3  # three figures at .001 each, and 200 pairs: 0.6 are to be expected at most


@pytest.mark.parametrize("count", [100, 400])
@pytest.mark.parametrize("change", [{"moved": 1.0}, {"moved": -1.0}, {"wider": 3.0}])
def test_a_mean_that_moved_by_a_deviation_or_a_wider_spread_is_found(count: int, change: dict[str, float]) -> None:
    chance = random.Random(7)
    pairs = [(drawn(chance, count), drawn(chance, count, **change)) for _ in range(50)]
    assert all(drifted(*pair) for pair in pairs)
    shifts = compare(population(pairs[0][0]), pairs[0][1])
    assert shifts[0].figure == "lightness"
    assert shifts[0].deviations == pytest.approx(change.get("moved", 0.0), abs=0.5)


def test_where_many_photos_have_one_value_a_change_of_their_share_is_found() -> None:
    chance = random.Random(3)
    plain = [{"white": 0.0 if chance.random() < 0.9 else 1.0} for _ in range(400)]
    cut_out = [{"white": 0.0 if chance.random() < 0.4 else 1.0} for _ in range(400)]
    assert drifted(plain, cut_out)
    assert not drifted(plain, [{"white": 0.0 if chance.random() < 0.9 else 1.0} for _ in range(400)])


@settings(max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60))
def test_photos_have_never_drifted_from_themselves_whatever_they_are(values: list[float]) -> None:
    photos = [{"figure": value} for value in values]
    known = Population.from_json(json.loads(json.dumps(population(photos).to_json())))
    assert known == population(photos)
    (shift,) = compare(known, photos)
    assert shift.index == pytest.approx(0.0, abs=1e-9)
    assert shift.limit >= SHIFTED
    assert str(shift).startswith("figure: ")


def test_the_figures_of_a_photo_say_what_fills_it() -> None:
    white = torch.full((3, 80, 160), 255, dtype=torch.uint8)
    found = figures(white)
    assert found["lightness"] == pytest.approx(100, abs=0.1)
    assert (found["white"], found["edges"], found["aspect"]) == (1.0, 0.0, round(math.log(2), 5))
    halves = white.clone()
    halves[:, :, :80] = 0
    found = figures(halves)
    assert found["white"] == pytest.approx(0.5, abs=0.02)
    assert 0 < found["edges"] < 0.1
    assert found["lightness_deviation"] == pytest.approx(50, abs=2)


def painted(chance: random.Random, batches: int, *, worse: float = 0.0) -> Photos:
    """Figures of batches of some merchants, who differ far more than a merchant's batches do."""
    merchants = [(random.Random(n).uniform(0.2, 0.7), random.Random(n).uniform(5, 25)) for n in range(12)]
    found = []
    for _ in range(batches):
        distance, delta_e = chance.choice(merchants)
        found.append(
            {
                "content_distance": distance + chance.gauss(worse, 0.03),
                "product_delta_e": delta_e + chance.gauss(0, 2),
                "white_kept": min(1.0, 1 - abs(chance.gauss(0, 0.01))),
            }
        )
    return found


@pytest.mark.parametrize(("before", "now"), [(30, 30), (100, 200)])
def test_of_batches_painted_alike_hardly_any_pair_counts_as_drifted(before: int, now: int) -> None:
    chance = random.Random(before + now)
    false = sum(drifted(painted(chance, before), painted(chance, now)) for _ in range(200))
    assert false <= 3  # three figures at .001 each: 0.6 are to be expected


def test_a_quality_whose_mean_moved_is_found_and_named() -> None:
    chance = random.Random(7)
    for _ in range(20):
        shifts = compare(population(painted(chance, 200)), painted(chance, 200, worse=0.2))
        assert shifts[0].beyond
        assert farthest(shifts).figure == "content_distance"
