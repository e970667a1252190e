"""The rule that returns a canary: how rarely it errs, although it looks again and again, and what it sees."""

import random
from collections.abc import Sequence

import pytest

from shared.models.promotion.comparison import (
    LEAST_BATCHES,
    WATCHED,
    TroubleCount,
    compare,
    compare_troubled,
    probability_of_chance,
    probability_of_so_many,
)


def batches(dice: random.Random, number: int, *, drop: float = 0.0) -> list[dict[str, float]]:
    """Figures of batches: merchants differ far more than a model should, and some have a few failures."""
    return [
        {
            "failed": 0.02 * max(0.0, dice.gauss(0, 1)) * (dice.random() < 0.2),
            "content_distance": dice.lognormvariate(-0.5, 0.3) + drop,
            "white_kept": min(1.0, 1 - abs(dice.gauss(0, 0.02)) - drop / 5),
        }
        for _ in range(number)
    ]


def returned_after(canary: Sequence[dict[str, float]], champion: Sequence[dict[str, float]]) -> int | None:
    """After how many of its batches a canary with a tenth of them is returned."""
    for n in range(1, len(canary) + 1):
        if any(found.worse for found in compare(canary[:n], champion[: 9 * n], n)):
            return n
    return None


def test_a_canary_that_is_no_worse_is_rarely_returned_however_often_one_looks() -> None:
    returned = 0
    for seed in range(40):
        dice = random.Random(seed)
        returned += returned_after(batches(dice, 40), batches(dice, 360)) is not None
    assert returned <= 2


@pytest.mark.parametrize(("drop", "within"), [(0.5, 15), (1.5, LEAST_BATCHES + 1)])
def test_one_that_is_worse_is_returned_the_sooner_the_worse_it_is(drop: float, within: int) -> None:
    for seed in range(10):
        dice = random.Random(seed)
        after = returned_after(batches(dice, 40, drop=drop), batches(dice, 360))
        assert after is not None
        assert after <= within


def test_one_that_fails_its_images_is_returned_at_the_first_look() -> None:
    mine, others = [{"failed": 1.0}] * LEAST_BATCHES, [{"failed": 0.0}] * 45
    (found,) = compare(mine, others, LEAST_BATCHES)
    assert found.worse
    assert str(found).startswith("failed is 1 and the champion's 0 (p = ")


def test_too_few_batches_and_what_is_within_the_margin_say_nothing() -> None:
    few, many = [{"failed": 1.0}] * (LEAST_BATCHES - 1), [{"failed": 0.0}] * 100
    assert compare(few, many, len(few)) == []
    assert compare(many, few, len(many)) == []
    slight = [{"failed": WATCHED["failed"].margin}] * 100
    assert not compare(slight, many, 100)[0].worse
    assert compare([{"unheard_of": 1.0}] * 9, [{"unheard_of": 0.0}] * 9, 9) == []


def test_the_probability_is_that_of_the_mann_whitney_test() -> None:
    """Ages at which ten people were found to have diabetes, as SciPy's manual has them: U is 17, of 20."""
    assert probability_of_chance([19, 22, 16, 29, 24], [20, 11, 17, 12]) == pytest.approx(0.0556, abs=1e-4)
    assert probability_of_chance([0.0] * 9, [0.0] * 9) == 1.0


def returned_for_trouble(dice: random.Random, share: float, usual: float) -> int | None:
    """After how many of its batches a canary with a tenth of them is returned, where that share of them is in trouble.

    Looked at whenever the canary has one more in trouble.
    """
    mine = others = TroubleCount(0, 0)
    for _ in range(1000):
        if dice.random() < 0.9:
            others = TroubleCount(others.batches + 1, others.troubled + (dice.random() < usual))
            continue
        worse = dice.random() < share
        mine = TroubleCount(mine.batches + 1, mine.troubled + worse)
        if worse and compare_troubled(mine, others).worse:
            return mine.batches
    return None


@pytest.mark.parametrize("usual", [0.0, 0.02, 0.2, 1.0])
def test_a_canary_that_is_in_no_more_trouble_is_rarely_returned(usual: float) -> None:
    returned = sum(returned_for_trouble(random.Random(seed), usual, usual) is not None for seed in range(200))
    assert returned <= 4  # a fifth of .05 at most: 2 of 200


@pytest.mark.parametrize("usual", [0.0, 0.02])
def test_one_that_gets_nowhere_is_returned_after_a_few_batches(usual: float) -> None:
    after = [returned_for_trouble(random.Random(seed), 1.0, usual) for seed in range(50)]
    assert all(one is not None and one <= 6 for one in after)


def test_the_probability_of_so_many_in_trouble_is_that_of_fishers_test() -> None:
    """Fisher's lady tasting tea: she finds all four cups of eight by chance once in 70 times."""
    assert probability_of_so_many(TroubleCount(4, 4), TroubleCount(4, 0)) == pytest.approx(1 / 70)
    assert probability_of_so_many(TroubleCount(3, 3), TroubleCount(9, 9)) == 1.0
    assert probability_of_so_many(TroubleCount(3, 0), TroubleCount(9, 9)) == 1.0
