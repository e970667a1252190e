"""What two evaluations say of a candidate, and what the rules of promotion make of that."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared.errors import UsageError
from shared.models.promotion.rules import Rule, RuleKind, decide
from shared.models.promotion.verdict_details import (
    OwnStyles,
    PairedFigure,
    PanelPhotos,
    Part,
    StyleSummary,
    VerdictDetails,
)
from shared.models.promotion.verdicts import Verdict, VerdictFigures, judge

Measured = Mapping[str, Sequence[Mapping[str, float | None]]]


def measured(photos: int = 20, white: float | None = None, **changes: float) -> Measured:
    """Renditions whose combined figure differs from photo to photo, and by a factor for each style."""
    dice = random.Random(3)
    level = [dice.uniform(2, 3) for _ in range(photos)]
    noise = {name: [dice.gauss(1, 0.01) for _ in level] for name in changes}
    return {
        name: [{"combined": one * change * n, "white_kept": white} for one, n in zip(level, noise[name], strict=True)]
        for name, change in changes.items()
    }


def verdict(white: float | None = None, *, photos: int = 20, **changes: float) -> Verdict:
    return judge(
        measured(photos, white, **changes), measured(photos, 1.0 if white else None, **dict.fromkeys(changes, 1))
    )


def test_styles_are_compared_photo_by_photo() -> None:
    found = verdict(wave=0.9, udnie=1.02)
    assert [(one.style, round(one.change, 3)) for one in found.styles] == [("wave", -0.1), ("udnie", 0.02)]
    assert [one.style for one in found.regressions] == ["udnie"]
    assert found.change == pytest.approx((math.log(0.9) + math.log(1.02)) / 2)
    assert found.error < 1e-9


def test_the_error_is_of_the_photos_and_not_of_their_renditions() -> None:
    """Twenty styles of two photos are two observations."""
    mine = {
        f"style-{n}": [{"combined": 2.0, "white_kept": None}, {"combined": 3.0, "white_kept": None}] for n in range(20)
    }
    other = {name: [{"combined": 2.0, "white_kept": None}] * 2 for name in mine}
    assert judge(mine, other).error == pytest.approx(abs(math.log(1.5)) / 2)


def test_lost_white_is_a_regression_however_good_the_rest_is() -> None:
    (style,) = verdict(0.9, wave=0.5).styles
    assert style.regression == style.white_lost == pytest.approx(0.1)


def test_a_verdict_survives_being_stored() -> None:
    broken = judge(
        {"wave": [{"combined": None, "white_kept": None}] * 9}, {"wave": [{"combined": 2.0, "white_kept": 1.0}] * 9}
    )
    for found in (verdict(0.95, wave=0.9), broken, judge({}, {}, missing=["dots"])):
        assert Verdict.from_json(json.loads(json.dumps(found.as_json(), allow_nan=False))) == found
    assert not decide(broken, Rule(RuleKind.IF_NO_STYLE_REGRESSES_BY, 0.5)).promote


@pytest.mark.parametrize(
    ("rule", "changes", "promotes"),
    [
        ("never", {"wave": 0.5}, False),
        ("if-better", {"wave": 0.95, "udnie": 1.02}, True),
        ("if-better", {"wave": 1.0}, False),
        ("if-better", {"wave": 1.05, "udnie": 0.99}, False),
        ("if-no-style-regresses-by 5%", {"wave": 0.9, "udnie": 1.04}, True),
        ("if-no-style-regresses-by 0.05", {"wave": 0.5, "udnie": 1.06}, False),
        ("if-no-style-regresses-by 0%", {"wave": 0.9}, True),
    ],
)
def test_a_rule_promotes_what_it_says(rule: str, changes: dict[str, Any], promotes: bool) -> None:
    decision = decide(verdict(**changes), Rule.parse(rule))
    assert decision.promote is promotes
    assert decision.reason


def test_an_improvement_within_chance_is_none() -> None:
    mine = {"wave": [{"combined": 2 * math.exp(change), "white_kept": None} for change in (-0.22, 0.18) * 10]}
    other = {"wave": [{"combined": 2.0, "white_kept": None}] * 20}
    found = judge(mine, other)
    assert found.change < 0
    assert not decide(found, Rule(RuleKind.IF_BETTER)).promote


def test_what_a_verdict_does_not_know_of_is_not_promoted_by_rule() -> None:
    mine, other = measured(wave=0.5), measured(wave=1.0)
    for unknown in ({"missing": ["dots"]}, {"unmeasured": ["dots"]}):
        decision = decide(judge(mine, other, **unknown), Rule(RuleKind.IF_BETTER))
        assert not decision.promote
        assert "dots" in decision.reason
    assert "7 photos" in decide(verdict(photos=7, wave=0.5), Rule(RuleKind.IF_BETTER)).reason
    assert not decide(judge({}, {}), Rule(RuleKind.IF_NO_STYLE_REGRESSES_BY, 0.9)).promote


@pytest.mark.parametrize(
    "wanted", ["always", "if-no-style-regresses-by", "if-no-style-regresses-by 100%", "never 5%", ""]
)
def test_a_rule_that_is_none_is_refused(wanted: str) -> None:
    with pytest.raises(UsageError, match="if-no-style-regresses-by 5%"):
        Rule.parse(wanted)
    assert str(Rule.parse(str(Rule.parse("if-no-style-regresses-by  5%")))) == "if-no-style-regresses-by 5%"


def test_all_figures_of_a_verdict_are_stored_and_read_and_what_was_not_measured_is_left_out() -> None:
    details = VerdictDetails(
        panel=PanelPhotos("sha", 384, ("a.jpg",)),
        style_px=384,
        measured={"wave": StyleSummary({"combined": 1.0}, {"combined": None})},
        own_styles={"shop": OwnStyles(kept=1, lost=2)},
        parts={"live": Part(9, 1, {"combined": PairedFigure(0.8, 1.0, -0.2, None)})},
    )
    for figures in (VerdictFigures(judge({}, {}), details), VerdictFigures(judge({}, {}))):
        assert VerdictFigures.from_json(json.loads(json.dumps(figures.as_json(), allow_nan=False))) == figures
    assert VerdictFigures(judge({}, {})).as_json() == judge({}, {}).as_json()
