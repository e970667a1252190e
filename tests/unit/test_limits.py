"""Limits hold where an object is made, so that commands, the API and ticks agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from producer.manifest import Manifest
from producer.submit import Order
from shared.catalog.schedules import NightRules
from shared.errors import UsageError
from shared.look import Look, parse_mix
from shared.presets import require_presets
from shared.proofs.upload_rules import ProofRules
from shared.quality.gate import Gate

ODD = (-1, 10**23, 1e300, float("inf"), float("nan"))
LOOK = Look((("udnie", 1.0),))

MADE_WITH: dict[str, Callable[[Any], object]] = {
    "images of a night": lambda n: NightRules(images=n),
    "minutes of a night": lambda n: NightRules(gpu_minutes=n),
    "images proved": lambda n: NightRules(proof_above=n),
    "minutes of a proof": lambda n: NightRules(go_on_minutes=n),
    "checks": lambda n: NightRules(checks=n),
    "uploads proved": lambda n: ProofRules(above=n),
    "minutes of an upload's proof": lambda n: ProofRules(above=1, go_on_minutes=n),
    "strength": lambda n: Look((("udnie", 1.0),), strength=n),
    "texture scale": lambda n: Look((("udnie", 1.0),), texture_scale=n),
    "gate": lambda n: Gate(content=n),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("what", MADE_WITH)
def test_a_number_outside_its_limits_is_refused_in_one_line(what: str, odd: float) -> None:
    with pytest.raises(UsageError) as caught:
        MADE_WITH[what](odd)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 200


@pytest.mark.parametrize("zero", [NightRules(proof_above=0, checks=0), ProofRules(above=0)])
def test_none_at_all_is_allowed_where_it_means_something(zero: object) -> None:
    assert zero


@pytest.mark.parametrize("weight", ["-1", "inf", "1e999", "nan", "0"])
def test_a_weight_outside_its_limits_is_refused(weight: str) -> None:
    with pytest.raises(UsageError):
        Look(parse_mix(f"udnie:{weight}"))


@pytest.mark.parametrize(
    "presets", [(), ("Gif!",), ("jpeg", "jpeg"), ("\ud800",), ("jpeg\0",), ("a.b",), tuple(map(str, range(17)))]
)
def test_presets_are_known_and_named_once(presets: tuple[str, ...]) -> None:
    for make in (
        require_presets,
        lambda these: NightRules(these),
        lambda these: Order("m", Manifest([]), (LOOK,), these),
    ):
        with pytest.raises(UsageError) as caught:
            make(presets)
        str(caught.value).encode()


def test_rules_that_an_earlier_release_stored_are_brought_within_limits() -> None:
    """One merchant's rules must not stop the tick that reads everybody's."""
    assert NightRules.from_json({"images": 10**23, "go_on_minutes": 1e300, "proof_above": -1}) == NightRules(
        images=10**9, go_on_minutes=10**6, proof_above=0
    )
    assert ProofRules.from_json({"above": 10**23, "new_looks": False, "go_on_minutes": None}).above == 10**9
