"""CSV for merchants."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.csv_out import csv_lines, guarded, unguarded, write_csv
from producer.manifest import open_manifest
from shared.errors import UsageError


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "\tx", "\rx", " =1", "＝1", "'=1", "-"])
def test_cells_that_look_like_formulas_are_guarded(cell: str) -> None:
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-5", "+1.5", "-1e-9", "a=b", "", "'quoted'", "red-2", "1-2"])
def test_plain_numbers_and_harmless_text_stay(cell: str) -> None:
    assert guarded(cell) == cell


@pytest.mark.parametrize("separator", [";", "\t", "\r", "\n", ";\t", "\n \n", "; ", ";'\t", ';"', ';""'])
@pytest.mark.parametrize("formula", ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1", "＝1"])
def test_no_formula_begins_where_another_program_sees_a_cell_begin(separator: str, formula: str) -> None:
    written = next(csv_lines([f"red{separator}{formula}", "sku"], []))
    cells = [cell.replace('"', "") for cell in re.split("[;\t\r\n]", written)]
    assert not any(re.match(r"\s*[=+\-@＝＋－＠]", cell) for cell in cells)


@given(st.text("='+- \t\r\n;x1＝"))
def test_guard_can_be_undone_and_leaves_no_formula(text: str) -> None:
    safe = guarded(text)
    assert unguarded(safe) == text
    if not re.fullmatch(r"[+-]?\d+", text):
        assert not any(re.match(r"\s*[=+\-@＝＋－＠]", cell) for cell in re.split("[;\t\r\n]", safe))


def test_a_long_cell_of_nothing_but_separators_takes_no_time_to_guard() -> None:
    cell = "\t;' " * 250_000
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell + "=1").endswith("'=1")


def test_written_file_reads_back_with_the_standard_library(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    rows: list[dict[str, object]] = [{"sku": 'a "b"\nc', "n": -5}, {"sku": "ü;,", "n": None, "other": 1}, {}]
    assert write_csv(path, ("sku", "n", "sku"), rows) == 3
    assert path.read_bytes().startswith(b"sku,n\r\n")
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["sku", "n"], ['a "b"\nc', "-5"], ["ü;,", ""], ["", ""]]
    assert list(tmp_path.iterdir()) == [path]


def test_lines_are_streamed() -> None:
    def endless() -> Iterator[Mapping[str, object]]:
        while True:
            yield {"sku": "\ud800=1"}

    lines = csv_lines(["sku"], endless())
    assert [next(lines), next(lines)] == ["sku\r\n", "\ud800=1\r\n"]


def test_open_file_is_written_to() -> None:
    target = io.StringIO()
    assert write_csv(target, ["=x"], []) == 0
    assert target.getvalue() == "'=x\r\n"


def test_failed_write_leaves_the_older_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Mapping[str, object]]:
        yield {"sku": 1}
        raise LookupError

    path = tmp_path / "errors.csv"
    path.write_text("old")
    with pytest.raises(LookupError):
        write_csv(path, ["sku"], broken())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_path_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_csv(tmp_path / "nowhere" / "results.csv", ["sku"], [])


def test_mended_errors_file_can_be_submitted_again(tmp_path: Path) -> None:
    (tmp_path / "@2x.jpg").write_bytes(b"x")
    row = {"sku": "=A1", "image": "@2x.jpg", "code": "x"}
    write_csv(tmp_path / "errors.csv", list(row), [row])
    (again,) = open_manifest([str(tmp_path / "errors.csv")]).rows()
    assert (again.sku, again.columns, again.error) == ("=A1", row, None)
