"""Add renditions to a CSV feed beside its own pictures, in the way that its platform reads several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from producer.manifest.columns import Columns, first_filled
from producer.manifest.formats.csvrecords import Record
from producer.manifest.pictures import split_pictures
from producer.manifest.platforms import PLAIN, AddedIn, base_name, compact
from producer.manifest.rewrite.cells import Link, added, no_place
from producer.manifest.rewrite.csv_spans import quoted_like, spliced


class Table(NamedTuple):
    """A CSV file: its name, the names of its columns, and what stands between its cells and records."""

    file: str
    names: tuple[str, ...]
    delimiter: str
    line_end: str


Replaced = dict[int, str]
"""New cells of a record, by their numbers."""


class AddedPictures:
    """Adds pictures to the records of one file, which come in order.

    In a row of its own beneath a product, in the cell of its pictures, or in a column beside it. A plain list with one
    picture in a row gets a copy of the row with the other picture. Raises ManifestError for another system's table that
    lacks the column.
    """

    def __init__(self, table: Table, columns: Columns, link: Link) -> None:
        self._names = table.names
        self._columns = columns
        self._delimiter = table.delimiter
        self._link = link
        self._place: AddedIn | None = _place(columns)
        self._separator = columns.platform.separator
        self._gallery = [n for n in columns.further if compact(n) == "mediaimage"]  # of Magento 1
        self._numbered = [n for n in columns.further if base_name(compact(n)) != compact(n)]
        self._pending: list[str] = []  # pictures that wait for the end of their product
        self._seen: set[str] = set()
        self._product = ""
        self._position = 0
        self._line_end = table.line_end or "\n"
        self._is_open = False  # the last record has no line end
        if self._place == AddedIn.FURTHER and not columns.further:
            if columns.platform is not PLAIN:
                raise no_place(table.file)
            self._place = None

    def edited(self, record: Record, fields: list[str]) -> str:
        """Return what is to be written for a record, with rows before and behind it."""
        end = record.text[len(record.text.rstrip("\r\n")) :]
        self._line_end, self._is_open = end or self._line_end, not end
        values = dict(zip(self._names, fields, strict=False))
        if record.blank:
            return record.text
        if self._place == AddedIn.ROW:
            return self._begin_product(values, record.line) + record.text
        if compact(values.get(_named(self._names, "type"), "")) == "variation":
            return record.text  # WooCommerce reads one picture of a variation
        filled = [first_filled(values, self._columns.images), *(values.get(name, "") for name in self._columns.further)]
        new = list(dict.fromkeys(one for cell in filled for one in added(cell, record.line, self._link)))
        if not new:
            return record.text
        name = next((name for name in self._columns.images if values.get(name, "").strip()), "")
        if self._place == AddedIn.CELL or (name and len(split_pictures(values[name].strip())) > 1 and not self._place):
            return spliced(record.text, {self._names.index(name): self._joined(values[name], new)}, self._delimiter)
        if self._place is None:
            return record.text + "".join(self._copies(record, name, new))
        return spliced(record.text, self._in_columns(values, new), self._delimiter)

    def finish(self) -> str:
        """Return the text to write after the last record."""
        rows = self._rows()
        return self._line_end + rows.removesuffix(self._line_end) if rows and self._is_open else rows

    def _copies(self, record: Record, column: str, new: list[str]) -> Iterator[str]:
        """Yield copies of a record with other pictures, and without its position."""
        free = {self._names.index(name): "" for name in self._columns.positions}
        for address in new:
            copy = spliced(record.text, free | {self._names.index(column): address}, self._delimiter)
            yield self._line_end + copy if self._is_open else copy

    def _in_columns(self, values: dict[str, str], new: list[str]) -> Replaced:
        changed: Replaced = {}
        free = [name for name in self._numbered if not values.get(name, "").strip()]
        for name in free[: len(new)]:
            changed[self._names.index(name)] = new.pop(0)
        if new:
            last = self._numbered[-1] if self._numbered else self._columns.further[0]
            index = self._names.index(last)
            changed[index] = self._joined(changed.get(index, values.get(last, "")), new)
        return changed

    def _joined(self, cell: str, new: list[str]) -> str:
        old = split_pictures(cell.strip())
        separator = self._separator
        if len(old) > 1 and (between := cell.partition(old[0])[2].partition(old[1])[0]):
            separator = between
        return (cell + separator if cell.strip() else "") + separator.join(new)

    def _begin_product(self, values: dict[str, str], line: int) -> str:
        """Note the pictures of a row of a product; return the rows of the product before it."""
        rows = ""
        product = first_filled(values, self._columns.product)
        if product != self._product and (product or not self._columns.platform.continued):
            rows = self._rows()
            self._product, self._position, self._seen = product, 0, set()
        for name in self._columns.positions:
            text = values.get(name, "").strip()
            self._position = max(self._position, int(text) if text.isdecimal() and len(text) < 6 else 0)
        cells = [first_filled(values, self._columns.images), *(values.get(name, "") for name in self._gallery)]
        for old in (one for cell in cells for one in split_pictures(cell.strip())):
            if old not in self._seen:
                self._seen.add(old)
                self._pending += added(old, line, self._link)
        return rows

    def _rows(self) -> str:
        """Return the rows that the product needs for its further pictures."""
        rows = []
        for address in self._pending:
            self._position += 1
            cells = dict.fromkeys(self._names, "")
            cells[(*self._gallery, *self._columns.images)[0]] = address
            if not self._columns.platform.continued:
                cells[self._columns.product[0]] = self._product
            for name in self._columns.positions[:1]:
                cells[name] = str(self._position)
            row = self._delimiter.join(quoted_like("", cells[name], self._delimiter) for name in self._names)
            rows.append(row + self._line_end)
        self._pending = []
        return "".join(rows)


def _place(columns: Columns) -> AddedIn:
    """Return where further pictures stand. Magento 1 has a row for each, with an empty sku."""
    if columns.platform.continued and any(compact(name) == "mediaimage" for name in columns.further):
        return AddedIn.ROW
    return columns.platform.added_in


def _named(names: tuple[str, ...], wanted: str) -> str:
    return next((name for name in names if compact(name) == wanted), "")
