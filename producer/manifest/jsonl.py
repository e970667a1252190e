"""A JSON Lines file: one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from producer.manifest.columns import COLUMN_LIMIT, Columns, bad_row, read_row, require_image_column
from producer.manifest.csvrecords import damaged_text
from producer.manifest.digest import file_digest
from producer.manifest.row import ManifestRow, storable
from producer.manifest.source import Sources
from producer.manifest.textlines import Line, TextFile, open_text
from shared.errors import InvalidInput, ManifestError

_HEAD_ROWS = 100


class JsonLines:
    """A manifest file of objects. Its columns are the keys of the first 100 rows."""

    ignored = 0

    def __init__(self, path: Path, sources: Sources) -> None:
        self.name = path.name
        self._sources = sources
        self._file: TextFile = open_text(path)
        self.notes = self._file.notes
        self._refuse_document()
        head = list(islice(self.rows(), _HEAD_ROWS))
        if not head:
            raise ManifestError(f"{self.name} holds no images: it has no rows", code="no_images")
        self.columns = tuple(dict.fromkeys(key for row in head for key in row.columns))[:COLUMN_LIMIT]
        if not self.columns and all(row.error for row in head):
            raise ManifestError(
                f"{self.name} is not JSON Lines, one object per line; line {head[0].line}: {head[0].error}",
                code="not_json_lines",
            )
        require_image_column(self.name, self.columns)
        self.digest = file_digest("jsonl", path)

    def _refuse_document(self) -> None:
        """Refuse one JSON text over several lines: read by lines, its pieces would make senseless rows."""
        first = next((line.text.strip() for line in self._file.lines() if line.too_long or line.text.strip()), "")
        if first == "{" or first.startswith("["):
            raise ManifestError(
                f"{self.name} is one JSON document: write JSON Lines, one object per line, such as"
                ' {"sku": "A1", "image": "a1.jpg"}',
                code="not_json_lines",
            )

    def rows(self) -> Iterator[ManifestRow]:
        """Read the rows; a line that is not an object is a bad one."""
        keys: tuple[str, ...] = ()
        meanings = Columns.among(keys)
        for line in self._file.lines():
            if not line.too_long and not line.text.strip():
                continue
            values, problem = _values(line)
            if tuple(values) != keys:
                keys = tuple(values)
                meanings = Columns.among(keys)
            if problem is not None:
                yield bad_row(line.number, values, meanings, self._sources, problem)
            else:
                yield read_row(line.number, values, meanings, self._sources)


def _values(line: Line) -> tuple[dict[str, str], InvalidInput | None]:
    if line.too_long:
        return {}, InvalidInput("the line is longer than 1 MiB, the most one may have", code="row_too_long")
    if line.damaged:
        return {}, damaged_text()
    try:
        data = json.loads(line.text, object_pairs_hook=_object, parse_int=str, parse_float=str)
        if not isinstance(data, dict):
            raise ValueError(f"a JSON object is expected, not {type(data).__name__}")
        raw = {key: _text(value) for key, value in data.items()}
    except json.JSONDecodeError as error:
        # Its own text would name the line within the line, which is always 1.
        return {}, _bad_json(f"{error.msg} at character {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        return {}, _bad_json(str(error))
    values = {storable(key): storable(value) for key, value in raw.items()}
    return values, damaged_text() if values != raw else None


def _bad_json(reason: str) -> InvalidInput:
    return InvalidInput(f"the line is not a JSON object: {reason}", code="bad_json")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands twice")
    if len(data) > COLUMN_LIMIT:
        raise ValueError(f"more than {COLUMN_LIMIT} keys")
    return data


def _text(value: object) -> str:
    """Return a value as a CSV cell would hold it (numbers arrive as they were written)."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
