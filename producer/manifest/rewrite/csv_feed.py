"""Write a CSV feed again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from producer.csv_out import unguarded
from producer.manifest.columns import Columns
from producer.manifest.formats.csvrecords import Record, csv_records
from producer.manifest.formats.tabular import column_names, dialect
from producer.manifest.formats.textlines import Line, TextFile
from producer.manifest.platforms import Platform
from producer.manifest.rewrite.cells import Link, Write, relinked
from producer.manifest.rewrite.csv_added import AddedPictures, Table
from producer.manifest.rewrite.csv_spans import spliced


def rewrite_csv(text: TextFile, platform: Platform | None, link: Link, write: Write, *, add: bool = False) -> None:
    """Write the feed with new addresses in its columns of pictures, or with ``add`` beside the old ones.

    Raises ManifestError where the feed breaks off, or has no place for further pictures.
    """
    first_line, delimiter = dialect(text)
    header = next(csv_records(text.file.name, _from_header(text, first_line, _nothing), delimiter))
    names = column_names(header.fields)
    columns = Columns.among(names, platform)
    edit: _Replacing | AddedPictures
    if add:
        end = header.text[len(header.text.rstrip("\r\n")) :]
        edit = AddedPictures(Table(text.file.name, names, delimiter, end), columns, link)
    else:
        edit = _Replacing(names, columns, delimiter, link)
    lines = _from_header(text, first_line, write)
    for record in csv_records(text.file.name, lines, delimiter, len(names), blank=True, long_text=write):
        if record.problem is not None or record.line <= header.line or record.fields == header.fields:
            write(record.text)
            continue
        write(edit.edited(record, [unguarded(field) for field in record.fields]))
    write(edit.finish())


class _Replacing:
    """Replaces the addresses in the cells of pictures."""

    def __init__(self, names: tuple[str, ...], columns: Columns, delimiter: str, link: Link) -> None:
        self._cells = tuple(names.index(name) for name in (*columns.images, *columns.further))
        self._delimiter = delimiter
        self._link = link

    def edited(self, record: Record, fields: list[str]) -> str:
        """Return a record as it is to be written."""
        changed = {}
        for index in self._cells:
            if index < len(fields):
                new = relinked(fields[index], record.line, self._link)
                if new != fields[index]:
                    changed[index] = new
        return spliced(record.text, changed, self._delimiter) if changed else record.text

    def finish(self) -> str:
        """Return the text to write after the last record."""
        return ""


def _nothing(_: str) -> None:
    """Write nothing."""


def _from_header(text: TextFile, first_line: int, write: Write) -> Iterator[Line]:
    lines = _without_mark(text.lines(), write)
    for line in islice(lines, first_line):
        write(line.text)
    return lines


def _without_mark(lines: Iterator[Line], write: Write) -> Iterator[Line]:
    """Yield lines without the byte order mark, which is written at once."""
    for line in lines:
        if line.number == 1 and line.text.startswith("\ufeff"):
            write("\ufeff")
            yield line._replace(text=line.text[1:])
        else:
            yield line
