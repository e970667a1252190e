"""Write CSV files for merchants, results.csv and errors.csv, that spreadsheets open without executing anything."""

from __future__ import annotations

import csv
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from shared.errors import UsageError

# Characters with which spreadsheets begin a formula; Japanese ones also accept the wide forms, some after spaces.
_SIGN = "[=+\\-@＝＋－＠]"
_FORMULA = rf"(?:[\t\r\n]|\s*{_SIGN})"
_DANGEROUS = re.compile(f"'*{_FORMULA}")
_GUARDED = re.compile(f"'+{_FORMULA}")
_SEPARATORS = ";\t\r\n"
"""Characters that end a cell for a program that reads another delimiter and ignores quotes."""

# Everything allowed between a separator and the formula that it begins, quotes included, matched as one run.
_RUN = re.compile(rf"([\s'\";]++)({_SIGN})?")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)

Rows = Iterable[Mapping[str, object]]


def guarded(text: str) -> str:
    """Return a cell that no spreadsheet reads as a formula; ``unguarded`` restores the text.

    This covers its beginning and every separator in it: European spreadsheets split at semicolons despite quotes, and
    the next cell could begin with a formula.
    """
    if not text.isprintable() or ";" in text:
        text = _RUN.sub(lambda run: _joined(run, run[1] + "'"), text)
    if _DANGEROUS.match(text) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def unguarded(text: str) -> str:
    """Undo ``guarded``, so that a fixed errors.csv can be submitted again."""
    if text.startswith("'") and _GUARDED.match(text):
        text = text[1:]
    if "'" in text and (not text.isprintable() or ";" in text):
        text = _RUN.sub(lambda run: _joined(run, run[1].removesuffix("'")), text)
    return text


def _joined(run: re.Match[str], before: str) -> str:
    """Return the replacement of a run, changed if a separator and a formula sign meet in it."""
    return before + run[2] if run[2] and any(char in _SEPARATORS for char in run[1]) else run[0]


def csv_lines(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield the header and a record per row (RFC 4180, CRLF), for streaming.

    A repeated column is written once, one that a row lacks is empty, and values without a column are left out.
    """
    names = tuple(dict.fromkeys(columns))
    last = _Last()
    writer = csv.writer(last)
    writer.writerow([guarded(name) for name in names])
    yield last.text
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in names])
        yield last.text


def write_csv(target: str | Path | TextIO, columns: Sequence[str], rows: Rows) -> int:
    """Write rows to an open file, or to a path, which appears only when complete; return their number.

    The encoding is UTF-8. A file must be opened with ``newline=""``. Raises UsageError if the path cannot be
    written. An exception of ``rows`` is passed on, and an older file then stays unchanged.
    """
    if not isinstance(target, str | Path):
        return _write(target, columns, rows)
    path = Path(target)
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        # Not tempfile, whose files only their user can read: the merchant shares these.
        with part.open("x", encoding="utf-8", errors="replace", newline="") as file:
            count = _write(file, columns, rows)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", code="unwritable") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _write(file: TextIO, columns: Sequence[str], rows: Rows) -> int:
    count = -1
    for count, line in enumerate(csv_lines(columns, rows)):  # noqa: B007 - the header is number 0
        file.write(line)
    return count


def _cell(value: object) -> str:
    return "" if value is None else guarded(str(value))


class _Last:
    """File object for the standard writer that keeps only the last record."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text
