"""URLs with user name and password: these are removed, and nobody ever reads them again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.manifest import open_manifest
from producer.manifest.credentials import without_credentials

URLS = [
    "https://user:hunter2@shop.example/mug.jpg",
    "HTTPS://user:hunter2@shop.example/mug@2x.jpg",
    "https://hunter2@shop.example/mug.jpg",
    "https://user:hun/hunter2@shop.example/mug.jpg",
    "https://user:hun?hunter2@shop.example/mug.jpg",
    "https://user:hunter 2 hunter2@shop.example/mug.jpg",
    "https://us\ter:hunter2@shop.example/mug.jpg",
    "https://user:a@hunter2@shop.example/mug.jpg",
    "https:\\\\user:hunter2@shop.example\\mug.jpg",
    "ftp://user:hunter2@shop.example/mug.jpg",
    "s3://key:hunter2@bucket/mug.jpg",
    "//user:hunter2@shop.example/mug.jpg",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_no_password_of_a_row_is_kept(tmp_path: Path, url: str, kind: str) -> None:
    path = tmp_path / f"feed.{kind}"
    other = "see https://user:hunter2@shop.example/more.jpg, or https://a:hunter2@b"
    with path.open("w", newline="") as file:
        if kind == "csv":
            csv.writer(file).writerows([["sku", "image", "link"], ["A", url, other]])
        else:
            file.write(json.dumps({"sku": "A", "image": url, "link": other}))
    (row,) = open_manifest([str(path)]).rows()
    assert "hunter2" not in str(row)
    assert row.columns["link"] == "see https://***@shop.example/more.jpg, or https://***@b"
    if url.lower().startswith("http") and url.count("/") == 3 and "?" not in url and "\t" not in url:
        assert row.error is None
        assert "@shop" not in row.source


def test_a_row_that_is_bad_for_another_reason_keeps_none_either(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text("sku,image\nA,https://user:hunter2@shop.example/mug.jpg,too,many\n")
    (row,) = open_manifest([str(path)]).rows()
    assert row.error is not None
    assert row.error.code == "too_many_columns"
    assert "hunter2" not in str(row)


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/mug@2x.jpg",
        "https://shop.example:8080/mug@2x.jpg",
        "https://shop.example:/mug@2x.jpg",
        "https://[2001:db8::1]/mug@2x.jpg",
        "s3://bucket/a:b/mug@2x.jpg",
        "photos/mug@2x.jpg",
        "C:\\photos\\mug@2x.jpg",
        "me@shop.example",
    ],
)
def test_what_only_looks_alike_stays(text: str) -> None:
    row = {"image": text, "other": text}
    assert without_credentials(row, "image") == row


@given(st.text("ab:/@?# [\\"), st.sampled_from(["image", "other"]))
def test_nothing_before_the_host_survives(secret: str, column: str) -> None:
    """Of any password whatever: between the slashes and the last @ of the authority nothing is left."""
    password = secret.replace("/", "").replace("\\", "").replace("?", "").replace("#", "").replace(" ", "")
    row = without_credentials({column: f"https://u:{password}HUNTER@host/a"}, "image")
    assert row == {column: "https://***@host/a"}


def test_a_long_hostile_cell_takes_no_time() -> None:
    for piece in ("://", ":/", "//:", "://a:b", "://a:b/", "@://", " //"):
        text = piece * (50_000 // len(piece))
        for cell in (text + "@", "@" + text, text + " @", "@" + text + " @", f"{text} " * 2 + "@"):
            without_credentials({"image": cell, "other": cell}, "image")
