"""What a look protects: how it is written, stored, and chosen by the kinds of styles."""

from __future__ import annotations

import json
import re

import pytest

from shared.errors import UsageError
from shared.look import LATER, Look, LookChanges, parse_looks, parse_mix
from shared.models.default_protection import settle_protection
from shared.models.styles import StyleRow
from shared.protection import Protect, parse_protection
from shared.strength import Strength

ROWS = {
    "udnie": StyleRow("udnie", "u", "styles/u.safetensors"),
    "ink-wash": StyleRow("ink-wash", "i", "styles/i.safetensors", is_monochrome=True),
    "halftone": StyleRow("halftone", "h", "styles/h.json"),
}


def look(style: str, protect: str = "auto", strength: str = "1") -> Look:
    (one,) = parse_looks([style], strength, 1.0, "keep", protect)
    return one


@pytest.mark.parametrize(
    ("style", "protection"),
    [
        ("udnie", "colour+lettering"),
        ("ink-wash", "none"),
        ("halftone", "none"),
        ("udnie:0.6,halftone:0.4", "colour+lettering"),
        ("udnie:0.4,halftone:0.3,ink-wash:0.3", "none"),
    ],
)
def test_the_kinds_of_the_styles_decide_where_nothing_was_chosen(style: str, protection: str) -> None:
    assert settle_protection(look(style), ROWS).protection == protection


@pytest.mark.parametrize("chosen", ["none", "colour", "product", "soft+lettering", "none+lettering"])
def test_what_was_chosen_stays(chosen: str) -> None:
    for style in ROWS:
        assert settle_protection(look(style, chosen), ROWS).protection == chosen


@pytest.mark.parametrize("wrong", ["color", "colour+text", "+lettering", "auto+lettering", "colour+lettering+x", ""])
def test_an_unknown_protection_is_refused_with_the_choices(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"choose auto, none, colour, product, soft, and add \+lettering"):
        parse_protection(wrong)


@pytest.mark.parametrize(
    ("text", "strength"), [("0.5", Strength(0.5)), ("0,5", Strength(0.5)), ("0.4/1.0", Strength(1.0, 0.4))]
)
def test_strength_is_one_number_or_two(text: str, strength: Strength) -> None:
    assert Strength.parse(text) == strength
    assert Strength.parse(str(strength)) == strength


@pytest.mark.parametrize("wrong", ["", "strong", "1.1", "-0.1", "nan", "0.4/", "0.1/0.2/0.3", "0.4/2"])
def test_a_strength_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="number from 0 to 1"):
        Strength.parse(wrong)


def test_a_product_that_is_kept_has_no_strength() -> None:
    with pytest.raises(UsageError, match="leave out one"):
        look("udnie", "product", "0.4/1.0")


def test_looks_stored_before_protection_keep_their_text_and_meaning() -> None:
    stored = '{"mix": {"udnie": 1.0}, "strength": 1.0, "texture_scale": 1.0, "white": "keep"}'
    old = Look.from_json(json.loads(stored))
    assert json.dumps(old.to_json()) == stored
    assert old == Look(parse_mix("udnie"))
    assert old.protection == "none"
    assert not old.needs_mask


def test_each_later_field_comes_back_from_json_and_changes_the_digest() -> None:
    plain = Look(parse_mix("udnie"))
    others = {"protect": Protect.SOFT, "lettering": True, "product_strength": 0.25}
    assert others.keys() <= LATER.keys()
    for name, value in others.items():
        other = Look(parse_mix("udnie"), **{name: value})  # type: ignore[arg-type]
        assert Look.from_json(json.loads(other.json)) == other
        assert other.digest({"udnie": "u"}, {}) != plain.digest({"udnie": "u"}, {})


def test_a_row_changes_only_what_it_says() -> None:
    batch = look("udnie", "colour", "0.4/1.0")
    assert LookChanges().applied(batch) == batch
    row = LookChanges(strength=Strength(0.7)).applied(batch)
    assert (row.protect, row.strengths) == (Protect.COLOUR, Strength(0.7))
    assert LookChanges(protect="soft+lettering").applied(batch).protection == "soft+lettering"


@pytest.mark.parametrize(
    ("wrong", "meant"), [("color", "colour"), ("Color+lettering", "colour+lettering"), ("soff", "soft")]
)
def test_a_misspelt_protection_names_what_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{re.escape(meant)}'"):
        parse_protection(wrong)
