"""Parse CSV records (RFC 4180) from lines.

The standard library's reader is not used: its field limit applies to the whole process, it does not limit a
record, and it does not report the line where a record begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from producer.manifest.formats.textlines import RECORD_LIMIT, Line
from shared.errors import InvalidInput, ManifestError


class Record(NamedTuple):
    """Fields of one record, and the line where it begins. ``problem`` is set if the fields are not reliable."""

    line: int
    fields: list[str]
    problem: InvalidInput | None = None

    @property
    def blank(self) -> bool:
        """Return whether all fields are empty."""
        return self.problem is None and not any(map(str.strip, self.fields))


def csv_records(name: str, lines: Iterator[Line], delimiter: str) -> Iterator[Record]:
    """Yield records from lines, without blank ones. Keeps one record in memory, at most 1 Mi characters.

    Raises ManifestError, which names the file and the line, for a quote that is never closed.
    """
    for line in lines:
        record = _record(name, line, lines, delimiter)
        if not record.blank:
            yield record


def _record(name: str, first: Line, lines: Iterator[Line], delimiter: str) -> Record:
    if first.too_long:
        return Record(first.number, [], _too_long())
    if '"' not in first.text:
        fields, damaged = first.text.rstrip("\r\n").split(delimiter), first.damaged
    else:
        fields, damaged = _quoted(name, first, lines, delimiter)
    return Record(first.number, fields, damaged_text() if damaged else None)


def _quoted(name: str, first: Line, lines: Iterator[Line], delimiter: str) -> tuple[list[str], bool]:
    """Return the fields of a record with quotes, possibly over several lines, and whether any is damaged."""
    parser = _Parser(delimiter)
    whole = parser.feed(first.text)
    size, damaged = len(first.text), first.damaged
    while not whole:
        line = next(lines, None)
        if line is None or line.too_long or (size := size + len(line.text)) > RECORD_LIMIT:
            raise ManifestError(
                f"{name}, line {first.number}: a quote is opened and not closed within 1 MiB or before the"
                " file ends: close it, or send the file again if it was cut off",
                code="unclosed_quote",
            )
        damaged = damaged or line.damaged
        whole = parser.feed(line.text)
    return parser.fields, damaged


def damaged_text() -> InvalidInput:
    """Return the problem of a row whose bytes are not text."""
    return InvalidInput(
        "the row contains NUL or bytes that are not text in the file's encoding: save the file as UTF-8",
        code="undecodable_row",
    )


def _too_long() -> InvalidInput:
    return InvalidInput("the row is longer than 1 MiB, the limit", code="row_too_long")


class _Parser:
    """Parse the lines of one record in turn, looking at each character once.

    As in spreadsheets, a quote opens only at the start of a field, and text between a closing quote and the
    delimiter is kept.
    """

    def __init__(self, delimiter: str) -> None:
        self.fields: list[str] = []
        self._delimiter = delimiter
        self._quoted: list[str] | None = None

    def feed(self, line: str) -> bool:
        """Parse a line. Returns True when the record is complete."""
        position = 0
        while position >= 0:
            if self._quoted is None and line.startswith('"', position):
                self._quoted = []
                position += 1
            if self._quoted is None:
                position = self._take_rest("", line, position)
            else:
                position = self._take_quoted(self._quoted, line, position)
        return self._quoted is None

    def _take_quoted(self, pieces: list[str], line: str, position: int) -> int:
        """Consume up to the closing quote or the end of the line; return the position, or -1 at the end."""
        while (end := line.find('"', position)) >= 0:
            pieces.append(line[position:end])
            if not line.startswith('"', end + 1):
                self._quoted = None
                return self._take_rest("".join(pieces), line, end + 1)
            pieces.append('"')
            position = end + 2
        pieces.append(line[position:])
        return -1

    def _take_rest(self, start: str, line: str, position: int) -> int:
        """Consume up to the delimiter and end the field; return the position, or -1 at the end of the line."""
        end = line.find(self._delimiter, position)
        if end < 0:
            self.fields.append(start + line[position:].rstrip("\r\n"))
            return -1
        self.fields.append(start + line[position:end])
        return end + 1
