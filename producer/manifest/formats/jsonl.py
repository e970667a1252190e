"""Read a JSON Lines file: one object per line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from producer.manifest.columns import COLUMN_LIMIT
from producer.manifest.formats.csvrecords import damaged_text, too_long
from producer.manifest.formats.records import Entry, RecordFile
from producer.manifest.formats.textlines import RECORD_LIMIT, Line, TextFile
from producer.manifest.platforms import Platform
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError
from shared.plain_text import storable

_STRING_KEPT = 4096
_QUOTE_OR_ESCAPE = re.compile(r'["\\]')


class JsonLines(RecordFile):
    """Manifest file with one object per line. A line without an object is a bad row."""

    kind = "json_lines"
    format_name = "jsonl"

    def __init__(self, text: TextFile, sources: Sources, platform: Platform | None = None) -> None:
        self._text = text
        super().__init__(text.file, sources, platform)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes for the merchant."""
        return self._text.notes + super().notes

    def _entries(self) -> Iterator[Entry]:
        lines = self._text.lines()
        for line in lines:
            if line.partial:
                yield _long_entry(line, lines)
            elif line.text.strip():
                yield _entry(line)

    def _no_records(self, first: Entry) -> ManifestError:
        return ManifestError(
            f"{self.name} is not JSON Lines, one object per line; line {first.line}: {first.problem}",
            code="not_json_lines",
        )


def _entry(line: Line) -> Entry:
    if line.damaged:
        return Entry(line.number, _readable(line.text), damaged_text())
    try:
        data = DECODER.decode(line.text)
    except json.JSONDecodeError as error:
        # The error's own text would name the line within the line, which is always 1.
        problem = bad_json(f"{error.msg} at character {error.pos + 1}")
        return Entry(line.number, _readable(line.text), problem)
    except RecursionError as error:
        return Entry(line.number, {}, bad_json(str(error)))
    return object_entry(line.number, data)


def _long_entry(first: Line, lines: Iterator[Line]) -> Entry:
    """Return the bad row of a line over the limit, with what its short fields say."""
    shortener = StringShortener()
    text = shortener.feed(first.text)
    for line in lines:
        if len(text) <= RECORD_LIMIT:
            text += shortener.feed(line.text)
        if not line.partial:
            break
    return Entry(first.number, _readable(text), too_long("line"))


def _readable(text: str) -> dict[str, str]:
    """Return the fields of a damaged object as far as they can be read, so that it is known which product it is."""
    values: dict[str, str] = {}
    position = text.find("{") + 1
    try:
        while position and len(values) < COLUMN_LIMIT:
            position = _after(text, position, ", \t\r\n")
            key, position = DECODER.raw_decode(text, position)
            value, position = DECODER.raw_decode(text, _after(text, position, ": \t\r\n"))
            if not isinstance(key, str):
                break
            values.setdefault(storable(key), storable(_text(value)))
    except (ValueError, RecursionError):
        pass
    return values


def _after(text: str, position: int, skipped: str) -> int:
    while position < len(text) and text[position] in skipped:
        position += 1
    return position


class StringShortener:
    """Cuts the long strings of JSON text that comes in parts, so that an object over the limit still has its fields."""

    def __init__(self) -> None:
        self._in_string = False
        self._escaped = False
        self._length = 0

    def feed(self, text: str) -> str:
        """Return a part of the text without what is beyond the limit of its strings."""
        pieces: list[str] = []
        position = 0
        if self._escaped and text:
            self._escaped, position = False, 1
            pieces.append(text[:1])
        while match := _QUOTE_OR_ESCAPE.search(text, position):
            self._keep(pieces, text[position : match.start()])
            position = match.end()
            if match[0] == '"':
                pieces.append('"')
                self._in_string, self._length = not self._in_string, 0
            elif not self._in_string or position < len(text):
                self._keep(pieces, text[match.start() : position + 1], whole=True)
                position += 1
            else:
                self._escaped = True
                pieces.append("\\")
        self._keep(pieces, text[position:])
        return "".join(pieces)

    def _keep(self, pieces: list[str], text: str, *, whole: bool = False) -> None:
        if not self._in_string:
            pieces.append(text)
            return
        room = _STRING_KEPT - self._length
        self._length += len(text)
        if room > 0 and not (whole and room < len(text)):
            pieces.append(text[:room])


def object_entry(line: int, data: object) -> Entry:
    """Return the record of a JSON value from ``DECODER``. A value that is no object gives a bad row."""
    if not isinstance(data, dict):
        return Entry(line, {}, bad_json(f"a JSON object is expected, not {type(data).__name__}"))
    problem = None
    if len(data) == 1 and isinstance(node := next(iter(data.values())), dict):
        data = node  # as GraphQL wraps its records
    if isinstance(data, _Doubled):
        problem = bad_json("a key is repeated")
    elif len(data) > COLUMN_LIMIT:
        return Entry(line, {}, bad_json(f"it has more than {COLUMN_LIMIT} keys"))
    try:
        raw = {key: _text(value) for key, value in data.items()}
    except RecursionError as error:
        return Entry(line, {}, bad_json(str(error)))
    if sku := _sku_of_variants(data):
        raw.setdefault("variant_sku", sku)
    values = {storable(key): storable(value) for key, value in raw.items()}
    return Entry(line, values, damaged_text() if values != raw else problem)


def _sku_of_variants(data: dict[str, Any]) -> str:
    """Return the first sku among a product's variants, as Shopify's products have them."""
    variants = data.get("variants")
    if not isinstance(variants, list):
        return ""
    skus = (variant.get("sku") for variant in variants if isinstance(variant, dict))
    return next((sku for sku in skus if isinstance(sku, str) and sku.strip()), "")


def bad_json(reason: str) -> InvalidInput:
    """Return the problem of a row that is no JSON object."""
    return InvalidInput(f"the row is not a JSON object: {reason}", code="bad_json")


class _Doubled(dict[str, Any]):
    """Object that repeats a key, so that its value is ambiguous."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    return data if len(data) == len(pairs) else _Doubled(data)


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=str, parse_float=str)
"""Keeps numbers as they are written, and recognises objects that repeat a key."""


def _text(value: object) -> str:
    """Return a value as a CSV cell would contain it. Numbers are kept as they are written."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
