"""Cells: several pictures in one, addresses as shops write them, and skus that a spreadsheet rounded."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.manifest import Manifest, ManifestRow, open_manifest
from producer.manifest.addresses import repaired
from producer.manifest.pictures import split_pictures

A, B = "https://h.example/a,1.jpg", "https://h.example/b.jpg"


def opened(folder: Path, *rows: tuple[str, str]) -> Manifest:
    path = folder / "feed.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("sku", "image"), *rows])
    return open_manifest([str(path)])


def read(folder: Path, image: str) -> ManifestRow:
    (row,) = opened(folder, ("A", image)).rows()
    return row


@pytest.mark.parametrize("separator", [",", ", ", ";", " ; ", "|", " | ", " ", "\n", ",\n", "%2C", "%2c"])
def test_cell_is_split_before_an_address(separator: str) -> None:
    assert split_pictures(f"{A}{separator}{B}{separator}//cdn.example/c.jpg") == [A, B, "//cdn.example/c.jpg"]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("a.jpg, b.png;sub/c.webp", ["a.jpg", "b.png", "sub/c.webp"]),
        ("a.jpg b.png", ["a.jpg", "b.png"]),
        ("High Street, London.jpg", ["High Street, London.jpg"]),
        ("my photo.jpg", ["my photo.jpg"]),
        ("https://h.example/r?size=1,2;3|4&f=a.jpg", ["https://h.example/r?size=1,2;3|4&f=a.jpg"]),
        ("https://h.example/w_3,h_2/https://o.example/a.jpg", ["https://h.example/w_3,h_2/https://o.example/a.jpg"]),
        (f'["{A}", "{B}"]', [A, B]),
        (f"['{B}', 'x.jpg']", [B, "x.jpg"]),
        (f'[{{"id": 1, "src": "{A}", "name": "x"}}, {{"src": "{B}"}}]', [A, B]),
        (f"{A} ! alt : front ! title : x | {B} ! alt : back", [A, B]),
        (f"{B}, {B}", [B]),
        (f"{B};", [B]),
        ("[1].jpg", ["[1].jpg"]),
    ],
)
def test_cell_is_split_only_where_its_parts_are_pictures(cell: str, expected: list[str]) -> None:
    assert split_pictures(cell) == expected


PLAIN = st.text("abcXYZ019-_.~", min_size=1, max_size=12)
WITH_COMMAS = st.lists(PLAIN, min_size=1, max_size=3).map(",".join)


@given(
    st.lists(WITH_COMMAS.map(lambda name: f"https://h.example/{name}.jpg"), min_size=1, max_size=5, unique=True),
    st.sampled_from([", ", ";", "|", " ", "\n"]),
)
def test_addresses_that_are_joined_are_split_again(addresses: list[str], separator: str) -> None:
    assert split_pictures(separator.join(addresses)) == addresses


@given(st.text(max_size=60))
def test_any_cell_is_split_without_an_error_and_loses_no_address(cell: str) -> None:
    assert all(part.strip() for part in split_pictures(cell.strip()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("//cdn.example/a.jpg", "https://cdn.example/a.jpg"),
        ("//127.0.0.1:8080/a.jpg", "https://127.0.0.1:8080/a.jpg"),
        ("//nas/photos/a.jpg", "//nas/photos/a.jpg"),
        ("www.h.example/a.jpg", "https://www.h.example/a.jpg"),
        ("\u200bhttps://h.example/a.jpg\ufeff\u00a0", "https://h.example/a.jpg"),
        ("https://h.example/two words/é.jpg?q=ß x", "https://h.example/two%20words/%C3%A9.jpg?q=%C3%9F%20x"),
        ("https://h.example/r?f=a&amp;w=2&#38;h=3&amp;amp;x=4", "https://h.example/r?f=a&w=2&h=3&x=4"),
        ("https://h.example/100%25.jpg", "https://h.example/100%25.jpg"),
        ("photos/two words é.jpg", "photos/two words é.jpg"),
    ],
)
def test_address_is_repaired_where_its_meaning_is_certain(text: str, expected: str) -> None:
    assert repaired(text) == expected
    assert repaired(expected) == expected


def test_missing_scheme_is_said(tmp_path: Path) -> None:
    manifest = opened(tmp_path, ("A", "www.h.example/a.jpg"), ("B", "h.example:8080/b.jpg"))
    first, second = manifest.rows()
    assert first.source == "https://www.h.example/a.jpg"
    assert any("scheme" in note for note in manifest.notes)
    assert second.error is not None
    assert second.error.code == "missing_scheme"


def test_message_shows_what_is_invisible(tmp_path: Path) -> None:
    assert "<U+200B>" in str(read(tmp_path, "gopher://h.example/\u200ba.jpg").error)


def test_rounded_sku_is_told_when_pictures_share_it(tmp_path: Path) -> None:
    rows = [("4,01234E+12", f"https://h.example/{n}.jpg") for n in range(3)]
    manifest = opened(tmp_path, *rows, ("00123", B), ("123", B), ("9E+12", B))
    assert [row.sku for row in manifest.rows()] == ["4,01234E+12"] * 3 + ["00123", "123", "9E+12"]
    (note,) = manifest.notes
    assert "3 pictures share the sku 4,01234E+12" in note
