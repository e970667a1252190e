"""Read an XML feed of products: RSS and Atom for Google Merchant Center and Meta, and plain lists of products.

Source: https://support.google.com/merchants/answer/7052112 (``id``, ``image_link``, ``additional_image_link``).
The feed is read as a stream. A document type is refused, so no entity can grow or name a file (billion laughs,
XXE).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NoReturn
from xml.parsers import expat

from producer.manifest.columns import COLUMN_LIMIT, Columns
from producer.manifest.formats.records import Entry, RecordFile
from producer.manifest.formats.textlines import RECORD_LIMIT
from producer.manifest.input_file import InputFile, unreadable
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError
from shared.plain_text import storable

_RECORDS = frozenset(("item", "entry", "product", "offer"))
_MORE_IMAGES = "additional_image_link"
_CHUNK = 1 << 16
_DEPTH_LIMIT = 64


class XmlFeed(RecordFile):
    """Manifest file whose rows are products. A product with several images gives several rows."""

    kind = "xml_feed"

    def __init__(self, file: InputFile, sources: Sources) -> None:
        self._file = file
        super().__init__(file, sources)

    def _entries(self) -> Iterator[Entry]:
        parser = _Parser(self._file.name)
        try:
            with self._file.open() as stream:
                while chunk := stream.read(_CHUNK):
                    yield from parser.feed(chunk)
                yield from parser.feed(b"", last=True)
        except OSError as error:
            raise unreadable(self._file, error, f" after line {parser.line}") from error


class _Parser:
    """Convert pieces of XML into records of the elements of a product, and of images one level deeper."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done: deque[Entry] = deque()
        self._depth = 0
        self._record_depth = 0  # depth of the open product; 0 for none
        self._record_line = 0
        self._fields: list[tuple[str, str]] = []
        self._text: list[str] = []
        self._size = 0
        self._silent = 0
        self._expat = expat.ParserCreate()
        self._expat.StartDoctypeDeclHandler = self._refuse_doctype
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters
        self._expat.DefaultHandlerExpand = self._other

    @property
    def line(self) -> int:
        """Return the line that is being read."""
        return self._expat.CurrentLineNumber

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[Entry]:
        """Parse a piece; yield the records that end in it. Raises ManifestError where the feed breaks off."""
        # A tag or comment is kept until it ends, so one without an end would grow for ever.
        self._silent += len(data)
        try:
            self._expat.Parse(data, last)
        except expat.ExpatError as error:
            yield from self._taken()
            raise self._broken(expat.errors.messages[error.code], error.lineno) from None
        except (ValueError, LookupError) as error:  # an encoding that is unknown or unsupported by expat
            yield from self._taken()
            raise self._broken(str(error), self.line) from None
        yield from self._taken()
        if self._silent > RECORD_LIMIT:
            raise self._broken("a tag or comment is longer than 1 MiB", self.line)

    def _taken(self) -> Iterator[Entry]:
        while self._done:
            yield self._done.popleft()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._silent = 0
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            raise self._broken(f"elements are nested more than {_DEPTH_LIMIT} deep", self.line)
        self._text.clear()
        if not self._record_depth and _local(tag) in _RECORDS:
            self._record_depth, self._record_line = self._depth, self.line
            self._fields, self._size = list(attributes.items()), 0

    def _end(self, tag: str) -> None:
        self._silent = 0
        below = self._depth - self._record_depth
        self._depth -= 1
        if not self._record_depth:
            return
        if below == 0:
            self._finish()
        elif below == 1 or _is_image(_local(tag)):
            self._fields.append((_local(tag), "".join(self._text).strip()))
        self._text.clear()

    def _characters(self, text: str) -> None:
        self._silent = 0
        if self._record_depth:
            self._size += len(text)
            if self._size <= RECORD_LIMIT:
                self._text.append(text)

    def _other(self, _: str) -> None:
        self._silent = 0

    def _finish(self) -> None:
        """Make the records of a product that has ended, one per image."""
        line, self._record_depth = self._record_line, 0
        values: dict[str, str] = {}
        for name, text in self._fields:
            if text:
                values.setdefault(storable(name), storable(text))
        if self._size > RECORD_LIMIT:
            problem = InvalidInput("the product is longer than 1 MiB, the limit", code="row_too_long")
            self._done.append(Entry(line, {}, problem))
        elif len(values) > COLUMN_LIMIT:
            problem = InvalidInput(f"the product has more than {COLUMN_LIMIT} fields", code="too_many_columns")
            self._done.append(Entry(line, {}, problem))
        else:
            self._done.extend(Entry(line, record) for record in self._per_image(values))

    def _per_image(self, values: dict[str, str]) -> Iterator[dict[str, str]]:
        column = Columns.among(values).image
        further = [storable(text) for name, text in self._fields if name in (column, _MORE_IMAGES) and text]
        if column is None:
            column = "image_link"
        images = dict.fromkeys([values[column], *further] if column in values else further)
        if not images:
            yield values
        for image in images:
            yield values | {column: image}

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise ManifestError(
            f"{self._name}, line {self.line}: a document type (<!DOCTYPE …>) is not allowed: remove it",
            code="xml_doctype",
        )

    def _broken(self, problem: str, line: int) -> ManifestError:
        return ManifestError(f"{self._name} breaks off in line {line}: {problem}", code="bad_xml")


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


def _is_image(name: str) -> bool:
    return name == _MORE_IMAGES or Columns.among((name,)).image is not None
