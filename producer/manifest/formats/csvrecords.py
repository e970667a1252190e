"""CSV records (RFC 4180) out of lines.

The standard library's reader is not used: its limit on fields is one for the whole process, it does
not bound a record, and it cannot tell where a record began.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from producer.manifest.formats.textlines import RECORD_LIMIT, Line
from shared.errors import InvalidInput, ManifestError


class Record(NamedTuple):
    """The fields of one record and the line it begins at; ``problem`` if it cannot be relied on."""

    line: int
    fields: list[str]
    problem: InvalidInput | None = None

    @property
    def blank(self) -> bool:
        """Whether nothing is written in it."""
        return self.problem is None and not any(map(str.strip, self.fields))


def csv_records(name: str, lines: Iterator[Line], delimiter: str) -> Iterator[Record]:
    """Split lines into records, leaving out blank ones. Memory: one record, at most 1 Mi characters.

    Raises ManifestError naming the file and the line whose quote is never closed.
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
    """Return the fields of a record with quotes, which may go on over several lines, and whether any is damaged."""
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
        "the row holds NUL or bytes that are not text in the file's encoding: save the file as UTF-8",
        code="undecodable_row",
    )


def _too_long() -> InvalidInput:
    return InvalidInput("the row is longer than 1 MiB, the most one may have", code="row_too_long")


class _Parser:
    """Takes the lines of one record one after another, each character once.

    As spreadsheets do, a quote opens only at the start of a field, and what stands between a closing
    quote and the delimiter is kept.
    """

    def __init__(self, delimiter: str) -> None:
        self.fields: list[str] = []
        self._delimiter = delimiter
        self._quoted: list[str] | None = None

    def feed(self, line: str) -> bool:
        """Take a line; True once the record is whole."""
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
        """Take up to the closing quote, or the whole line; -1 where the line ends."""
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
        """Take up to the delimiter and end the field; -1 where the line ends."""
        end = line.find(self._delimiter, position)
        if end < 0:
            self.fields.append(start + line[position:].rstrip("\r\n"))
            return -1
        self.fields.append(start + line[position:end])
        return end + 1
