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


def rewrite_csv(text: TextFile, platform: Platform | None, link: Link, write: Write) -> None:
    """Write the feed with new addresses in its columns of pictures. Raises ManifestError where it breaks off."""
    first_line, delimiter = dialect(text)
    header = next(csv_records(text.file.name, _from_header(text, first_line, _nothing), delimiter))
    names = column_names(header.fields)
    columns = Columns.among(names, platform)
    cells = tuple(names.index(name) for name in (*columns.images, *columns.further))
    lines = _from_header(text, first_line, write)
    for record in csv_records(text.file.name, lines, delimiter, len(names), blank=True, long_text=write):
        if record.problem is not None or record.line <= header.line:
            write(record.text)
        else:
            write(_relinked_record(record, cells, delimiter, link))


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


def _relinked_record(record: Record, cells: tuple[int, ...], delimiter: str, link: Link) -> str:
    changed = {}
    for index in cells:
        if index < len(record.fields):
            cell = unguarded(record.fields[index])
            new = relinked(cell, record.line, link)
            if new != cell:
                changed[index] = new
    if not changed:
        return record.text
    pieces, position = [], 0
    for index, (start, end) in enumerate(cell_spans(record.text, delimiter)):
        if index in changed:
            pieces += [record.text[position:start], _quoted_like(record.text[start:end], changed[index], delimiter)]
            position = end
    return "".join([*pieces, record.text[position:]])


def _quoted_like(raw: str, cell: str, delimiter: str) -> str:
    """Return a cell as it stands in a file, with quotes if the old one had some or the new one needs them."""
    if raw.startswith('"') or any(char in cell for char in (delimiter, '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def cell_spans(text: str, delimiter: str) -> list[tuple[int, int]]:
    """Return where the cells of one record begin and end, quotes included."""
    spans = []
    position, length = 0, len(text.rstrip("\r\n"))
    while True:
        end = position
        if text.startswith('"', position):
            end = text.find('"', position + 1)
            while text.startswith('"', end + 1):
                end = text.find('"', end + 2)
        next_delimiter = text.find(delimiter, end)
        if next_delimiter < 0:
            spans.append((position, max(position, length)))
            return spans
        spans.append((position, next_delimiter))
        position = next_delimiter + 1
