"""Manifest files whose records name their own fields: JSON Lines, JSON documents, XML feeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from producer.manifest.columns import COLUMN_LIMIT, Columns, require_image_column
from producer.manifest.extensions import is_image_name
from producer.manifest.findings import Findings
from producer.manifest.input_file import InputFile, disk_path, file_digest
from producer.manifest.platforms import PLAIN, WEAK_IMAGE_COLUMNS, Platform, detect
from producer.manifest.reader import RowReader
from producer.manifest.row import ManifestRow
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError

_HEAD_RECORDS = 100


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
    format_name: str
    ignored = 0

    def __init__(self, file: InputFile, sources: Sources, platform: Platform | None = None) -> None:
        self.name = file.name
        self.path = disk_path(file)
        self._sources = sources
        self._findings = Findings()
        first: Entry | None = None
        names: dict[str, None] = {}
        all_bad = True
        for entry in islice(self._entries(), _HEAD_RECORDS):
            first = first or entry._replace(values={})
            names |= dict.fromkeys(entry.values)
            all_bad = all_bad and entry.problem is not None
        if first is None:
            raise ManifestError(f"{self.name} contains no images: it has no rows", code="no_images")
        if not names and all_bad:
            raise self._no_records(first)
        self.columns = tuple(names)[:COLUMN_LIMIT]
        self.platform = platform or detect(self.columns)
        strong = Columns.among(self.columns, self.platform, weak=False)
        self._weak = strong.image is None
        require_image_column(self.name, self.columns, Columns.among(self.columns, self.platform))
        if next(self.rows(), None) is None:
            raise ManifestError(f"{self.name} contains no images: no record names one", code="no_images")
        self.digest = file_digest(self.kind, file)

    @property
    def format(self) -> str:
        """Return the name of the format."""
        return self.format_name if self.platform is PLAIN else f"{self.platform.name}-{self.format_name}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes for the merchant: of opening, and of the last reading so far."""
        return self._findings.notes(self.name)

    @abstractmethod
    def _entries(self) -> Iterator[Entry]:
        """Yield the records. Raises ManifestError, which names the line, where the file breaks off."""

    def _no_records(self, first: Entry) -> ManifestError:
        """Return the error for a file whose first records are all bad."""
        return ManifestError(f"{self.name}, line {first.line}: {first.problem}", code=f"not_{self.kind}")

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the rows. Raises ManifestError, which names the line, where the file breaks off."""
        self._findings = Findings()
        reader = RowReader(self._sources, self._findings)
        keys: tuple[bool, tuple[str, ...]] = (False, ())
        meanings = Columns.among((), self.platform)
        for line, values, problem in self._entries():
            weak = self._weak or any(is_image_name(values.get(name, "")) for name in WEAK_IMAGE_COLUMNS)
            if (weak, tuple(values)) != keys:
                keys = weak, tuple(values)
                meanings = Columns.among(values, self.platform, weak=weak)
            yield from reader.read(line, values, meanings, problem)
        yield from reader.finish()
