"""Read a CSV file with a header, in the delimiters and encodings that shops and spreadsheets write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from producer.csv_out import unguarded
from producer.manifest.columns import COLUMN_LIMIT, Columns, require_image_column
from producer.manifest.findings import Findings
from producer.manifest.formats.csvrecords import Record, csv_records
from producer.manifest.formats.textlines import TextFile, open_text
from producer.manifest.input_file import InputFile, disk_path, file_digest
from producer.manifest.platforms import PLAIN, Platform
from producer.manifest.reader import RowReader
from producer.manifest.row import ManifestRow
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError
from shared.plain_text import storable

_DELIMITERS = ",;\t|"


class Tabular:
    """Manifest file with a header line. Opening reads the header and checks that there is a row."""

    ignored = 0

    def __init__(self, file: InputFile, sources: Sources, platform: Platform | None = None) -> None:
        self.name = file.name
        self.path = disk_path(file)
        self._sources = sources
        self._file: TextFile = open_text(file)
        self._findings = Findings()
        self._first_line, self._delimiter = dialect(self._file)
        self._header: list[str] = []
        header = next(self._records(), None)
        if header is None:
            raise ManifestError(f"{self.name} contains no images: it has no rows", code="no_images")
        self.columns = self._checked_header(header)
        self._header = header.fields
        self._meanings = Columns.among(self.columns, platform)
        require_image_column(self.name, self.columns, self._meanings)
        if next(self.rows(), None) is None:
            raise ManifestError(f"{self.name} contains no images: no row names one", code="no_images")
        self.digest = file_digest("csv", file)

    @property
    def platform(self) -> Platform:
        """Return the platform whose layout the file has."""
        return self._meanings.platform

    @property
    def format(self) -> str:
        """Return the name of the format."""
        return "csv" if self.platform is PLAIN else f"{self.platform.name}-csv"

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes for the merchant: of opening, and of the last reading so far."""
        return self._file.notes + self._findings.notes(self.name)

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the rows. Raises ManifestError, which names the line, where the file breaks off."""
        self._findings = Findings()
        reader = RowReader(self._sources, self._findings)
        records = self._records()
        next(records, None)
        for record in records:
            if record.fields == self._header:
                self._findings.add("header")
                continue
            yield from self._rows_of(record, reader)
        yield from reader.finish()

    def _records(self) -> Iterator[Record]:
        lines = self._file.lines()
        for _ in range(self._first_line):
            next(lines, None)
        return csv_records(self.name, lines, self._delimiter, len(self._header))

    def _rows_of(self, record: Record, reader: RowReader) -> Iterator[ManifestRow]:
        fields = [unguarded(field) for field in record.fields]
        if record.problem is not None:
            fields = [storable(field) for field in fields]
        # Missing trailing columns are empty. Spreadsheets also write unneeded delimiters.
        values = dict(zip_longest(self.columns, fields[: len(self.columns)], fillvalue=""))
        problem = record.problem
        if any(map(str.strip, fields[len(self.columns) :])):
            problem = problem or InvalidInput(
                f"the row has {len(fields)} columns and the header {len(self.columns)}:"
                ' put quotes (") around text that contains a delimiter',
                code="too_many_columns",
            )
        return reader.read(record.line, values, self._meanings, problem)

    def _checked_header(self, header: Record) -> tuple[str, ...]:
        if header.problem is not None:
            raise ManifestError(f"{self.name}, header in line {header.line}: {header.problem}", code="bad_header")
        if len(header.fields) > COLUMN_LIMIT:
            raise ManifestError(
                f"{self.name} has {len(header.fields)} columns; the limit is {COLUMN_LIMIT}", code="bad_header"
            )
        return column_names(header.fields)


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """Return distinct names: a column without one is called by its number, a repeated name gets ``(2)``, ``(3)``."""
    names: dict[str, None] = {}
    for number, field in enumerate(header, 1):
        base = storable(unguarded(field.strip()) or f"column {number}")
        name, count = base, 1
        while name in names:
            count += 1
            name = f"{base} ({count})"
        names[name] = None
    return tuple(names)


def dialect(file: TextFile) -> tuple[int, str]:
    """Return how many lines to skip, and the delimiter: from Excel's ``sep=``, or the likeliest in the header.

    A delimiter that makes a column of pictures appear counts more than one that is frequent.
    """
    first = next((line for line in file.lines() if line.partial or line.text.strip()), None)
    text = first.text if first is not None else ""
    declared = re.fullmatch(r'"?sep=([,;\t|])"?', text.strip("\r\n "), re.IGNORECASE)
    if first is not None and declared:
        return first.number, declared[1]
    bare = re.sub(r'"[^"]*"', "", text)

    def likelihood(delimiter: str) -> tuple[bool, int]:
        names = [name.strip('"') for name in text.strip("\r\n ").split(delimiter)]
        return len(names) <= COLUMN_LIMIT and Columns.among(names).image is not None, bare.count(delimiter)

    return 0, max(_DELIMITERS, key=likelihood)
