"""Read an XML feed of products: RSS and Atom for Google Merchant Center and Meta, price comparison, plain lists.

Sources: https://support.google.com/merchants/answer/7052112 (``id``, ``image_link``, ``additional_image_link``),
https://yandex.ru/support/marketplace/assortment/files/yml.html, https://sluzby.heureka.cz/napoveda/xml-feed/.
The feed is read as a stream. A document type may name another file, which is never loaded; one that declares anything
itself is refused, so no entity can grow or name a file (billion laughs, XXE).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from xml.parsers import expat

from producer.manifest.findings import Findings
from producer.manifest.formats.records import Entry, RecordFile
from producer.manifest.formats.textlines import RECORD_LIMIT
from producer.manifest.formats.xml_product import Product
from producer.manifest.formats.xml_shape import local_name, record_names
from producer.manifest.formats.xml_text import xml_text
from producer.manifest.input_file import InputFile, unreadable
from producer.manifest.platforms import Platform
from producer.manifest.source import Sources
from shared.errors import InvalidInput, ManifestError

_DEPTH_LIMIT = 64
_GOOGLE = "http://base.google.com/ns/1.0"
_HEAD_PIECES = 16


class XmlFeed(RecordFile):
    """Manifest file whose records are products."""

    kind = "xml_feed"
    format_name = "xml"

    def __init__(self, file: InputFile, sources: Sources, platform: Platform | None = None) -> None:
        self._file = file
        try:
            self._records = record_names(islice(xml_text(file, Findings()), _HEAD_PIECES))
        except OSError as error:
            raise unreadable(file, error) from error
        super().__init__(file, sources, platform)

    def _entries(self) -> Iterator[Entry]:
        parser = _Parser(self._file.name, self._records, self._findings)
        try:
            for piece in xml_text(self._file, self._findings):
                yield from parser.feed(piece)
            yield from parser.finish()
        except OSError as error:
            raise unreadable(self._file, error, f" after line {parser.line}") from error


class _Parser:
    """Convert pieces of XML into records of the elements of a product, and of pictures at any depth in it."""

    def __init__(self, name: str, records: frozenset[str], findings: Findings) -> None:
        self._name = name
        self._records = records
        self._findings = findings
        self._done: list[Entry] = []
        self._path: list[str] = []  # tags of the open elements
        self._product: Product | None = None
        self._product_depth = 0
        self._silent = 0
        self._google_namespace = ""
        self._fed = 0  # bytes that the present parser was given before this piece
        self._skipped: str | None = None  # text after a damaged product, until the next one
        self._refusal: ManifestError | None = None
        self._lines_before = 0
        self._expat = self._new_parser()
        names = "|".join(map(re.escape, sorted(records)))
        self._next_product = re.compile(rf"<(?:[\w.-]+:)?(?:{names})(?=[\s>/])", re.IGNORECASE)
        self._product_end = re.compile(rf"</(?:[\w.-]+:)?(?:{names})\s*>", re.IGNORECASE)

    @property
    def line(self) -> int:
        """Return the line that is being read."""
        return self._lines_before + (self._expat.CurrentLineNumber if self._skipped is None else 1)

    def feed(self, text: str) -> Iterator[Entry]:
        """Parse a piece; yield the records that end in it. Raises ManifestError where the feed breaks off."""
        while text:
            if self._skipped is not None:
                text = self._skip(text)
                continue
            # A tag or comment is kept until it ends, so one without an end would grow for ever.
            self._silent += len(text)
            try:
                self._expat.Parse(text)
                self._fed += len(text.encode())
                text = ""
            except expat.ExpatError as error:
                text = self._leave_damaged(text, error)
            yield from self._taken()
            if self._refusal is not None:
                raise self._refusal
            if self._silent > RECORD_LIMIT:
                raise self._broken("a tag or comment is longer than 1 MiB", self.line)

    def finish(self) -> Iterator[Entry]:
        """End the feed. Raises ManifestError if it is not complete."""
        if self._skipped is not None:
            if not self._product_end.search(self._skipped):
                raise self._broken("it ends within a product", self.line)
            yield from self._taken_damaged()
            return
        try:
            self._expat.Parse("", True)
        except expat.ExpatError as error:
            yield from self._taken()
            raise self._broken(expat.errors.messages[error.code], self._lines_before + error.lineno) from None
        yield from self._taken()

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.DefaultHandlerExpand = self._other
        return parser

    def _taken(self) -> Iterator[Entry]:
        done, self._done = self._done, []
        yield from done

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._silent = 0
        self._path.append(tag)
        if len(self._path) > _DEPTH_LIMIT:
            self._refuse(self._broken(f"elements are nested more than {_DEPTH_LIMIT} deep", self.line))
            return
        self._google_namespace = attributes.get("xmlns:g", self._google_namespace)
        if self._product is not None:
            if tag.startswith("g:") and self._google_namespace != _GOOGLE:
                self._warn_of_namespace()
            self._product.start(tag, attributes)
        elif local_name(tag).lower() in self._records and len(self._path) > 1:
            self._product, self._product_depth = Product(self.line, attributes), len(self._path)

    def _end(self, tag: str) -> None:
        self._silent = 0
        if self._product is not None:
            if len(self._path) == self._product_depth:
                self._done.append(self._product.entry())
                self._product = None
            else:
                self._product.end(tag)
        self._path.pop()

    def _characters(self, text: str) -> None:
        self._silent = 0
        if self._product is not None:
            self._product.characters(text)

    def _other(self, _: str) -> None:
        self._silent = 0

    def _warn_of_namespace(self) -> None:
        if self._google_namespace is not _GOOGLE:
            self._findings.add("namespace", repr(self._google_namespace or "(none)"))
            self._google_namespace = _GOOGLE

    def _doctype(self, _name: str, system: str | None, _public: str | None, has_internal_subset: bool) -> None:
        if has_internal_subset:
            problem = "a document type with declarations (<!DOCTYPE … [ ]>) is not allowed: remove it"
            self._refuse(ManifestError(f"{self._name}, line {self.line}: {problem}", code="xml_doctype"))
        elif system:
            self._findings.add("doctype")

    def _refuse(self, error: ManifestError) -> None:
        """Stop parsing with an error."""
        raise error

    def _leave_damaged(self, text: str, error: expat.ExpatError) -> str:
        """Leave a product that is not valid XML, and return the text in which the next one is looked for."""
        problem = expat.errors.messages[error.code]
        line = self._lines_before + error.lineno
        if self._product is None:
            self._refusal = self._broken(problem, line)
            return ""
        self._product.problem = InvalidInput(
            f"the product is not valid XML: {problem} in line {line}", code="bad_xml_product"
        )
        at = max(0, self._expat.ErrorByteIndex - self._fed - 2)
        self._lines_before = line - 1
        self._skipped = ""
        return text.encode()[at:].decode(errors="ignore")

    def _skip(self, text: str) -> str:
        """Look for the next product; return what begins with it, or an empty text if it has not come yet."""
        assert self._skipped is not None
        text = self._skipped + text
        found = self._next_product.search(text)
        if found is None:
            end = self._product_end.search(text)
            # Kept are the end of the damaged product, once it has come, and what may be a part of a tag.
            self._skipped = (end[0] if end else "") + text[max(end.end() if end else 0, len(text) - 200) :]
            self._lines_before += text.count("\n") - self._skipped.count("\n")
            return ""
        self._done += self._taken_damaged()
        self._lines_before += text.count("\n", 0, found.start())
        self._skipped = None
        self._expat = self._new_parser()
        above, self._path = self._path[: self._product_depth - 1], []
        opened = "".join(f"<{tag}>" for tag in above)
        self._expat.Parse(opened)
        self._fed = len(opened.encode())
        return text[found.start() :]

    def _taken_damaged(self) -> Iterator[Entry]:
        if self._product is not None:
            self._findings.add("product")
            yield self._product.entry()
        self._product = None

    def _broken(self, problem: str, line: int) -> ManifestError:
        return ManifestError(f"{self._name} breaks off in line {line}: {problem}", code="bad_xml")
