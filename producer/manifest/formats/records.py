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
    """A record: its fields by name, and the line it begins at; ``problem`` if it cannot be relied on."""

    line: int
    values: dict[str, str]
    problem: InvalidInput | None = None


class RecordFile(ABC):
    """A manifest file of records. Its columns are the fields of the first 100.

    Opening reads those; ``rows`` reads one record at a time.
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
            raise ManifestError(f"{self.name} holds no images: it has no rows", code="no_images")
        if not columns and not sound:
            raise self._senseless(first)
        self.columns = tuple(columns)[:COLUMN_LIMIT]
        require_image_column(self.name, self.columns)
        self.digest = file_digest(self.kind, file)

    @abstractmethod
    def _entries(self) -> Iterator[Entry]:
        """Read the records. Raises ManifestError naming the line where the file breaks off."""

    def _senseless(self, first: ManifestRow) -> ManifestError:
        """Return what to say where none of the first records is one."""
        return ManifestError(f"{self.name}, line {first.line}: {first.error}", code=f"not_{self.kind}")

    def rows(self) -> Iterator[ManifestRow]:
        """Read the rows. Raises ManifestError naming the line where the file breaks off."""
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
