"""Read a JSON Lines file: one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from producer.manifest.columns import COLUMN_LIMIT
from producer.manifest.formats.csvrecords import damaged_text
from producer.manifest.formats.records import Entry, RecordFile
from producer.manifest.formats.textlines import Line, TextFile
from producer.manifest.row import ManifestRow
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError
from shared.plain_text import storable


class JsonLines(RecordFile):
    """Manifest file with one object per line. A line without an object is a bad row."""

    kind = "json_lines"

    def __init__(self, text: TextFile, sources: Sources) -> None:
        self._text = text
        self.notes = text.notes
        super().__init__(text.file, sources)

    def _entries(self) -> Iterator[Entry]:
        for line in self._text.lines():
            if line.too_long or line.text.strip():
                yield _entry(line)

    def _no_records(self, first: ManifestRow) -> ManifestError:
        return ManifestError(
            f"{self.name} is not JSON Lines, one object per line; line {first.line}: {first.error}",
            code="not_json_lines",
        )


def _entry(line: Line) -> Entry:
    if line.too_long:
        problem = InvalidInput("the line is longer than 1 MiB, the limit", code="row_too_long")
        return Entry(line.number, {}, problem)
    if line.damaged:
        return Entry(line.number, {}, damaged_text())
    try:
        data = DECODER.decode(line.text)
    except json.JSONDecodeError as error:
        # The error's own text would name the line within the line, which is always 1.
        return Entry(line.number, {}, bad_json(f"{error.msg} at character {error.pos + 1}"))
    except RecursionError as error:
        return Entry(line.number, {}, bad_json(str(error)))
    return object_entry(line.number, data)


def object_entry(line: int, data: object) -> Entry:
    """Return the record of a JSON value from ``DECODER``. A value that is no object gives a bad row."""
    if not isinstance(data, dict):
        return Entry(line, {}, bad_json(f"a JSON object is expected, not {type(data).__name__}"))
    if isinstance(data, _Doubled):
        return Entry(line, {}, bad_json("a key is repeated"))
    if len(data) > COLUMN_LIMIT:
        return Entry(line, {}, bad_json(f"it has more than {COLUMN_LIMIT} keys"))
    try:
        raw = {key: _text(value) for key, value in data.items()}
    except RecursionError as error:
        return Entry(line, {}, bad_json(str(error)))
    values = {storable(key): storable(value) for key, value in raw.items()}
    return Entry(line, values, damaged_text() if values != raw else None)


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
