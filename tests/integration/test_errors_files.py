"""errors.csv of every kind of manifest: no formula comes out, and what comes out can be fixed and submitted again."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.manifest import open_manifest
from shared.context import Session
from tests.atelier_command import command_over, printed

EVIL = {"sku": "=HYPERLINK(1)", "image": "file:///nowhere/mug.jpg", "title": "mug;=1+1\n@SUM(A1)\t-2+3"}


def as_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([EVIL.keys(), EVIL.values()])


def as_jsonl(path: Path) -> None:
    path.write_text(json.dumps(EVIL) + "\n")


def as_xml(path: Path) -> None:
    fields = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in EVIL.items())
    path.write_text(f"<products><product>{fields}</product></products>")


@pytest.mark.parametrize(("name", "write"), [("f.csv", as_csv), ("f.jsonl", as_jsonl), ("f.xml", as_xml)])
def test_what_failed_comes_out_without_formulas_and_goes_in_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[[Path], None]
) -> None:
    atelier, out = command_over(session, monkeypatch), tmp_path / "out"
    write(tmp_path / name)
    (row,) = open_manifest([str(tmp_path / name)]).rows()
    atelier("submit", tmp_path / name, "-s", "udnie", "--json")
    (batch,) = printed(atelier("status", "--json"))
    assert batch["failed"] == 1
    atelier("download", batch["batch"], "--out", out)
    for file in ("errors.csv", "results.csv"):
        for cell in re.split("[,;\t\r\n]", (out / file).read_text().replace('"', "")):
            assert not re.match(r"\s*[=+@]", cell), cell
    (again,) = open_manifest([str(out / "errors.csv")]).rows()
    assert (again.sku, again.columns["title"]) == (row.sku, row.columns["title"])
