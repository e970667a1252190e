"""Parse CSV records (RFC 4180) from lines.

The standard library's reader is not used: its field limit applies to the whole process, it does not limit a
record, and it does not report the line where a record begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from producer.manifest.formats.textlines import RECORD_LIMIT, Line
from shared.errors import InvalidInput, ManifestError

_KEPT = 4096
"""Characters that are kept of each field of a record over the limit: enough for its sku and the picture's address."""

_MOST_FIELDS = 1024


class Record(NamedTuple):
    """Fields of one record, and the line where it begins. ``problem`` is set if the fields are not reliable.

    ``text`` is the record as it stands in the file; empty if it is over the limit.
    """

    line: int
    fields: list[str]
    problem: InvalidInput | None = None
    text: str = ""

    @property
    def blank(self) -> bool:
        """Return whether all fields are empty."""
        return self.problem is None and not any(map(str.strip, self.fields))


def csv_records(
    name: str,
    lines: Iterator[Line],
    delimiter: str,
    width: int = 0,
    *,
    blank: bool = False,
    long_text: Callable[[str], None] = lambda _: None,
) -> Iterator[Record]:
    """Yield records from lines, blank ones only if wanted. Keeps about 1 Mi characters in memory.

    A record over the limit has a problem and the beginnings of its fields. A quote that is opened and never closed
    spoils only its own line, where the lines after it are records of ``width`` fields. Raises ManifestError, which
    names the file and the line, for one that may be the place where the file was cut off. ``long_text`` is called with
    the text of a record over the limit, piece by piece, before the record is yielded.
    """
    source = _Lines(lines)
    for line in source:
        record = _record(name, line, source, _Dialect(delimiter, width, long_text))
        if blank or not record.blank:
            yield record


class _Lines:
    """Lines of a file, of which some can be put back."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return next(self._lines)

    def put_back(self, lines: list[Line]) -> None:
        self._lines = chain(lines, self._lines)


class _Dialect(NamedTuple):
    delimiter: str
    width: int
    long_text: Callable[[str], None]


def _record(name: str, first: Line, lines: _Lines, dialect: _Dialect) -> Record:
    if '"' in first.text or first.partial:
        return _Quoted(name, first, dialect).read(lines)
    fields = first.text.rstrip("\r\n").split(dialect.delimiter)
    return Record(first.number, fields, damaged_text() if first.damaged else None, first.text)


class _Quoted:
    """Reads a record that has quotes, perhaps over several lines, or is over the limit."""

    def __init__(self, name: str, first: Line, dialect: _Dialect) -> None:
        self._name = name
        self._first = first
        self._delimiter, self._width, self._long_text = dialect
        self._held: list[Line] = []  # its lines, while they are within the limit
        self._size = 0
        self._damaged = False
        self._parser = FieldParser(self._delimiter)

    def read(self, lines: _Lines) -> Record:
        line: Line | None = self._first
        while line is not None:
            within = self._size <= RECORD_LIMIT
            self._size += len(line.text)
            self._damaged = self._damaged or line.damaged
            if within:
                self._held.append(line)
            else:
                self._long_text(line.text)
            whole = self._parser.feed(line.text, partial=line.partial)
            if within and len(self._held) > 1 and self._parser.is_malformed:
                return self._only_first(lines)
            if whole:
                return self._finished()
            if self._size > RECORD_LIMIT:
                if within and self._hides_records():
                    return self._only_first(lines)
                self._release()
                self._parser.shorten()
            line = next(lines, None)
        if not self._parser.is_quoted:
            self._parser.feed("")
            return self._finished()
        if self._hides_records():
            return self._only_first(lines)
        raise ManifestError(
            f"{self._name}, line {self._first.number}: a quote is opened and not closed before the file ends: close it,"
            " or send the file again if it was cut off",
            code="unclosed_quote",
        )

    def _finished(self) -> Record:
        text = "".join(line.text for line in self._held)
        if self._size > RECORD_LIMIT:
            self._release()
            self._parser.shorten()
            return Record(self._first.number, self._parser.fields, too_long("row"))
        return Record(self._first.number, self._parser.fields, damaged_text() if self._damaged else None, text)

    def _release(self) -> None:
        """Hand on the lines of a record that has turned out to be over the limit."""
        for line in self._held:
            self._long_text(line.text)
        self._held.clear()

    def _hides_records(self) -> bool:
        """Return whether the lines within the quotes are records themselves: then its quote is a stray one."""
        after = [line.text for line in self._held[1:] if line.text.strip() and not line.partial]
        records = sum(text.count(self._delimiter) + 1 == self._width for text in after)
        return self._width > 1 and records > 0 and records * 2 > len(after)

    def _only_first(self, lines: _Lines) -> Record:
        lines.put_back(self._held[1:])
        problem = InvalidInput("a quote is opened and not closed in this row: close it", code="unclosed_quote")
        fields = [field.strip('"') for field in self._first.text.rstrip("\r\n").split(self._delimiter)]
        return Record(self._first.number, fields, problem, self._first.text)


def damaged_text() -> InvalidInput:
    """Return the problem of a row whose bytes are not text."""
    return InvalidInput(
        "the row contains NUL or bytes that are not text in the file's encoding: save the file as UTF-8",
        code="undecodable_row",
    )


def too_long(what: str) -> InvalidInput:
    """Return the problem of a record over the limit."""
    return InvalidInput(f"the {what} is longer than 1 MiB, the limit", code="row_too_long")


class FieldParser:
    """Parse the lines of one record in turn, looking at each character once.

    As in spreadsheets, a quote opens only at the start of a field, and text between a closing quote and the
    delimiter is kept. ``is_malformed`` if there was such text after a field of several lines.
    """

    def __init__(self, delimiter: str) -> None:
        self.fields: list[str] = []
        self.is_malformed = False
        self._delimiter = delimiter
        self._pieces: list[str] = []
        self._state = "start"
        self._is_multiline = False

    @property
    def is_quoted(self) -> bool:
        """Return whether a quote is open."""
        return self._state == "quoted"

    def feed(self, text: str, *, partial: bool = False) -> bool:
        """Parse a line, or a part of one that goes on. Returns True when the record is complete."""
        position = self._begin(text)
        while position >= 0:
            if self._state == "start":
                if partial and position >= len(text):
                    return False
                self._state = "quoted" if text.startswith('"', position) else "plain"
                position += self._state == "quoted"
            elif self._state == "quoted":
                position = self._quoted(text, position, partial)
            else:
                position = self._plain(text, position, partial)
        return self._state == "end"

    def shorten(self) -> None:
        """Keep only the beginning of each field."""
        self.fields = [field[:_KEPT] for field in self.fields[:_MOST_FIELDS]]
        self._pieces = ["".join(self._pieces)[:_KEPT]]

    def _begin(self, text: str) -> int:
        if self._state == "quote":  # the last piece ended with a quote, which this one may double
            doubled = text.startswith('"')
            self._state = "quoted" if doubled else "plain"
            self._pieces += '"' * doubled
            return int(doubled)
        self._is_multiline = self._is_multiline or self._state == "quoted"
        return 0

    def _quoted(self, text: str, position: int, partial: bool) -> int:
        """Consume up to the closing quote or the end; return the position, or -1 at the end."""
        end = text.find('"', position)
        self._pieces.append(text[position:end] if end >= 0 else text[position:])
        if end < 0:
            return -1
        if text.startswith('"', end + 1):
            self._pieces.append('"')
            return end + 2
        if partial and end + 1 == len(text):
            self._state = "quote"
            return -1
        self._state = "plain"
        after = text[end + 1 : end + 3]
        self.is_malformed = self.is_malformed or (
            self._is_multiline and bool(after.strip()) and not after.startswith(self._delimiter)
        )
        self._is_multiline = False
        return end + 1

    def _plain(self, text: str, position: int, partial: bool) -> int:
        """Consume up to the delimiter and end the field; return the position, or -1 at the end."""
        end = text.find(self._delimiter, position)
        if end >= 0:
            self._pieces.append(text[position:end])
            self._close("start")
            return end + 1
        if partial:
            self._pieces.append(text[position:])
        else:
            self._pieces.append(text[position:].rstrip("\r\n"))
            self._close("end")
        return -1

    def _close(self, state: str) -> None:
        self.fields.append("".join(self._pieces))
        self._pieces = []
        self._state = state
