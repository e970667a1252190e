"""Manifest files whose records name their own fields: JSON Lines, JSON documents, XML feeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from producer.manifest.columns import COLUMN_LIMIT, Columns, bad_row, read_row, require_image_column
from producer.manifest.input_file import InputFile, file_digest
from producer.manifest.row import ManifestRow
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError

_HEAD_ROWS = 100


class Entry(NamedTuple):
    """Fields of a record by name, and the line where it begins. ``problem`` is set if the fields are not reliable."""

    line: int
    values: dict[str, str]
    problem: InvalidInput | None = None


class RecordFile(ABC):
    """Manifest file of records. Its columns are the fields of the first 100.

    Opening reads these; ``rows`` reads one record at a time.
    """

    kind: str
    ignored = 0
    notes: tuple[str, ...] = ()

    def __init__(self, file: InputFile, sources: Sources) -> None:
        self.name = file.name
        self._sources = sources
        first: ManifestRow | None = None
        columns: dict[str, None] = {}
        sound = False
        for row in islice(self.rows(), _HEAD_ROWS):
            first = first or row
            sound = sound or row.error is None
            columns |= dict.fromkeys(row.columns)
        if first is None:
            raise ManifestError(f"{self.name} contains no images: it has no rows", code="no_images")
        if not columns and not sound:
            raise self._no_records(first)
        self.columns = tuple(columns)[:COLUMN_LIMIT]
        require_image_column(self.name, self.columns)
        self.digest = file_digest(self.kind, file)

    @abstractmethod
    def _entries(self) -> Iterator[Entry]:
        """Yield the records. Raises ManifestError, which names the line, where the file breaks off."""

    def _no_records(self, first: ManifestRow) -> ManifestError:
        """Return the error for a file whose first records are all bad."""
        return ManifestError(f"{self.name}, line {first.line}: {first.error}", code=f"not_{self.kind}")

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the rows. Raises ManifestError, which names the line, where the file breaks off."""
        keys: tuple[str, ...] = ()
        meanings = Columns.among(keys)
        for line, values, problem in self._entries():
            if tuple(values) != keys:
                keys = tuple(values)
                meanings = Columns.among(keys)
            if problem is not None:
                yield bad_row(line, values, meanings, self._sources, problem)
            else:
                yield read_row(line, values, meanings, self._sources)
