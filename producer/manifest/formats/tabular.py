"""Read a CSV file with a header, in the delimiters and encodings that shops and spreadsheets write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest

from producer.csv_out import unguarded
from producer.manifest.columns import COLUMN_LIMIT, Columns, bad_row, read_row, require_image_column
from producer.manifest.formats.csvrecords import Record, csv_records
from producer.manifest.formats.textlines import TextFile, open_text
from producer.manifest.input_file import InputFile, file_digest
from producer.manifest.row import ManifestRow
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError
from shared.plain_text import storable

_DELIMITERS = ",;\t"


class Tabular:
    """Manifest file with a header line. Opening reads the header and checks that there is a row."""

    ignored = 0

    def __init__(self, file: InputFile, sources: Sources) -> None:
        self.name = file.name
        self._sources = sources
        self._file: TextFile = open_text(file)
        self.notes = self._file.notes
        self._first_line, self._delimiter = _dialect(self._file)
        records = self._records()
        header = next(records, None)
        if header is None or next(records, None) is None:
            raise ManifestError(f"{self.name} contains no images: it has no rows", code="no_images")
        self.columns = self._checked_header(header)
        self._meanings = Columns.among(self.columns)
        self.digest = file_digest("csv", file)

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the rows. Raises ManifestError, which names the line, where the file breaks off."""
        records = self._records()
        next(records, None)
        for record in records:
            yield self._row(record)

    def _records(self) -> Iterator[Record]:
        lines = self._file.lines()
        for _ in range(self._first_line):
            next(lines, None)
        return csv_records(self.name, lines, self._delimiter)

    def _row(self, record: Record) -> ManifestRow:
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
        if problem is not None:
            return bad_row(record.line, values, self._meanings, self._sources, problem)
        return read_row(record.line, values, self._meanings, self._sources)

    def _checked_header(self, header: Record) -> tuple[str, ...]:
        if header.problem is not None:
            raise ManifestError(f"{self.name}, header in line {header.line}: {header.problem}", code="bad_header")
        if len(header.fields) > COLUMN_LIMIT:
            raise ManifestError(
                f"{self.name} has {len(header.fields)} columns; the limit is {COLUMN_LIMIT}", code="bad_header"
            )
        # A column without a name is called by its number.
        names = tuple(unguarded(field.strip()) or f"column {number}" for number, field in enumerate(header.fields, 1))
        doubled = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
        if doubled:
            raise ManifestError(
                f"{self.name} has more than one column {doubled[0]!r}: rename or remove one",
                code="bad_header",
            )
        require_image_column(self.name, names)
        return names


def _dialect(file: TextFile) -> tuple[int, str]:
    """Return how many lines to skip, and the delimiter: from Excel's ``sep=``, or the most frequent in the header."""
    first = next((line for line in file.lines() if line.too_long or line.text.strip()), None)
    text = first.text if first is not None else ""
    declared = re.fullmatch(r'"?sep=([,;\t|])"?', text.strip("\r\n "), re.IGNORECASE)
    if first is not None and declared:
        return first.number, declared[1]
    bare = re.sub(r'"[^"]*"', "", text)
    return 0, max(_DELIMITERS, key=bare.count)
