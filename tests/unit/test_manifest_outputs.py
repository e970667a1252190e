"""Output names."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.manifest.outputs import HashSet, OutputNames, safe_output


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("shoes/red", "shoes/red"),
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/./x", "abs/x"),
        ("C:\\shop\\red", "C_/shop/red"),
        ("a\nb\x7f\u202ec", "a_b__c"),
        (".htaccess", "_.htaccess"),
        ("nul/con.x/lamp. ", "_nul/_con.x/lamp"),
        ("red.webp/x", "red.webp_/x"),
        ("cafe\u0301", "café"),
        ("\u00a0/..", "_"),
        ("", "image"),
    ],
)
def test_output_is_safe_everywhere(wish: str, name: str) -> None:
    assert safe_output(wish) == name


@given(st.text())
def test_any_text_makes_a_safe_output(wish: str) -> None:
    name = safe_output(wish)
    path = PurePosixPath(name)
    assert name == str(path)
    assert not path.is_absolute()
    assert name != "."
    assert all(part != ".." and len(part.encode()) <= 181 for part in path.parts)
    assert len(name.encode()) <= 700


def test_clashes_are_numbered_whatever_the_case() -> None:
    names = OutputNames()
    wishes = ["a", "A", "a-2", "a", "Straße", "STRASSE"]
    assert [names.claim(wish) for wish in wishes] == ["a", "A-2", "a-2-2", "a-3", "Straße", "STRASSE-2"]


def test_many_clashes_of_one_name_take_no_quadratic_time() -> None:
    names = OutputNames()
    assert [names.claim("image") for _ in range(20_000)][-1] == "image-20000"


def test_hash_set_keeps_all_it_was_given_while_it_grows() -> None:
    seen = HashSet()
    spread = [value * 0x9E3779B97F4A7C15 % (1 << 64) for value in range(1, 50_000)]
    assert all(seen.add(value) for value in spread)
    assert not any(seen.add(value) for value in spread)
