"""Read a JSON document: a list of objects, alone or inside objects, as shops export it.

It is read as a stream: at most 1 Mi characters are in memory, whatever the file's size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, TextIO

from producer.manifest.columns import Columns
from producer.manifest.formats.csvrecords import too_long
from producer.manifest.formats.jsonl import DECODER, StringShortener, object_entry
from producer.manifest.formats.records import Entry, RecordFile
from producer.manifest.formats.textlines import RECORD_LIMIT, TextFile
from producer.manifest.input_file import unreadable
from producer.manifest.platforms import Platform
from producer.manifest.source import Sources
from shared.errors import ManifestError

_CHUNK = 1 << 16
_LISTS_TRIED = 8
_HEAD_RECORDS = 20
_DEPTH_LIMIT = 16
_SPACE = re.compile(r"[ \t\r\n]*")


class JsonDocument(RecordFile):
    """Manifest file whose rows are the elements of its first list of objects that name pictures."""

    kind = "json_document"
    format_name = "json"

    def __init__(self, text: TextFile, sources: Sources, platform: Platform | None = None) -> None:
        self._text = text
        self._lists_before = 0
        self._lists_before = self._find_list()
        super().__init__(text.file, sources, platform)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes for the merchant."""
        return self._text.notes + super().notes

    def _entries(self) -> Iterator[Entry]:
        try:
            with self._text.open() as file:
                yield from _elements(_Scanner(self._text.file.name, file), self._lists_before)
        except OSError as error:
            raise unreadable(self._text.file, error) from error

    def _find_list(self) -> int:
        """Return how many lists come before the first one whose objects name pictures; 0 if there is none."""
        for number in range(_LISTS_TRIED):
            self._lists_before = number
            try:
                if any(Columns.among(entry.values).image for entry in islice(self._entries(), _HEAD_RECORDS)):
                    return number
            except ManifestError:
                return 0  # reading it says what is wrong
        return 0


def is_json_document(text: TextFile) -> bool:
    """Tell a document from JSON Lines by its first line: a list, the start of an object, or an object with a list."""
    lines = (line for line in text.lines() if line.partial or line.text.strip())
    first = next(lines, None)
    if first is None:
        return False
    if first.partial:
        while first is not None and first.partial:
            first = next(lines, None)
        after = next(lines, None)
        return after is None or not after.text.lstrip().startswith("{")
    start = first.text.strip()
    if not start.startswith("{"):
        return start.startswith("[") and _is_list(start, alone=next(lines, None) is None)
    try:
        data = DECODER.decode(start)
    except json.JSONDecodeError as error:
        return error.pos >= len(start)
    except RecursionError:
        return False
    nested = any(isinstance(value, list | dict) for value in data.values())
    return nested and Columns.among(data).image is None and next(lines, None) is None


def _is_list(start: str, *, alone: bool) -> bool:
    try:
        DECODER.decode(start)
    except (json.JSONDecodeError, RecursionError):
        return True
    return alone


def _elements(scanner: _Scanner, lists_before: int) -> Iterator[Entry]:
    """Find the list that begins with an object, after so many others, and yield its elements."""
    _enter_list(scanner, lists_before)
    while True:
        scanner.peek()
        line = scanner.line
        entry = object_entry(line, scanner.value())
        yield entry._replace(problem=entry.problem or too_long("element")) if scanner.has_shortened else entry
        if scanner.take(",]") == "]":
            return


def _enter_list(scanner: _Scanner, lists_before: int) -> None:
    """Skip everything before the list's first element."""
    depth = 0
    while True:
        if scanner.at_list_of_objects():
            scanner.take("[")
            if not lists_before:
                return
            lists_before -= 1
            scanner.value()
            while scanner.take(",]") == ",":
                scanner.value()
            opened = True
        elif scanner.peek() == "{" and depth < _DEPTH_LIMIT:
            scanner.take("{")
            depth += 1
            opened = scanner.peek() == "}"
        else:
            scanner.value()
            opened = True
        # After a value: leave the objects that end here, then go on to the next key.
        while opened:
            if depth == 0:
                raise scanner.without_list()
            opened = scanner.take(",}") == "}"
            depth -= opened
        scanner.value()
        scanner.take(":")


class _Scanner:
    """Read JSON values from a file, one after another."""

    def __init__(self, name: str, file: TextIO) -> None:
        self.line = 1
        """Line of the next character."""
        self.has_shortened = False
        """Whether the last value was over the limit, and its long strings were cut."""
        self._shortener: StringShortener | None = None
        self._name = name
        self._file = file
        self._held = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """Skip white space and return the next character, or an empty string at the end."""
        while True:
            self._pass_to(_SPACE.match(self._held, self._at).end())  # type: ignore[union-attr]  # matches always
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> str:
        """Take the next character, which must be one of ``wanted``."""
        char = self.peek()
        if not char or char not in wanted:
            problem = f"found {char!r}" if char else "the file ends"
            raise self.broken(f"{problem} where {' or '.join(wanted)} is expected")
        self._at += 1
        return char

    def at_list_of_objects(self) -> bool:
        """Return whether ``[`` and ``{`` come next, without taking them."""
        if self.peek() != "[":
            return False
        while not (after := self._held[self._at + 1 :].lstrip()) and len(self._held) - self._at <= RECORD_LIMIT:
            if not self._more():
                return False
        return after.startswith("{")

    def value(self) -> Any:
        """Take a complete value, as ``DECODER`` returns it. Raises ManifestError if there is none or it has no end."""
        self.peek()
        self.has_shortened = False
        while True:
            try:
                value, end = DECODER.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                # Perhaps its end has only not been read yet.
                if (len(self._held) - self._at > RECORD_LIMIT and not self._shorten()) or not self._more():
                    raise self.broken(f"{error.msg}, or an element is longer than 1 MiB") from None
            except RecursionError:
                raise self.broken("values are nested too deeply") from None
            else:
                # A number at the end of the buffer may continue.
                if end < len(self._held) or not self._more():
                    self._pass_to(end)
                    return value

    def _shorten(self) -> bool:
        """Cut long strings, from here to the end of the file. Returns False if the value's are cut already."""
        if self.has_shortened:
            return False
        self.has_shortened = True
        held = self._held[self._at :]
        if self._shortener is None:
            self._shortener = StringShortener()
            held = self._shortener.feed(held)
        self._held, self._at = held, 0
        return True

    def without_list(self) -> ManifestError:
        """Return the error for a complete document that is no manifest."""
        return ManifestError(
            f'{self._name} contains no list of objects: write one, such as [{{"sku": "A1", "image": "a1.jpg"}}],'
            " or JSON Lines, one object per line",
            code="not_json_document",
        )

    def broken(self, problem: str) -> ManifestError:
        """Return the error for a document that is incomplete or malformed."""
        return ManifestError(f"{self._name} breaks off in line {self.line}: {problem}", code="bad_json_document")

    def _pass_to(self, at: int) -> None:
        self.line += self._held.count("\n", self._at, at)
        self._at = at

    def _more(self) -> bool:
        """Read more characters into the buffer, and drop the ones that have been passed."""
        read = ""
        while not read and not self._ended:  # the whole of a piece may lie beyond the limit of a string
            read = self._file.read(_CHUNK)
            self._ended = not read
            if self._shortener is not None:
                read = self._shortener.feed(read)
        self._held = self._held[self._at :] + read
        self._at = 0
        return bool(read)
