"""Write a feed again with other addresses for its pictures, in the format in which it came."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from producer.manifest import open_manifest
from producer.manifest.columns import Columns
from producer.manifest.formats.archived import manifest_member
from producer.manifest.formats.textlines import TextFile, open_text, read_head
from producer.manifest.formats.xml_text import xml_encoding
from producer.manifest.gzipped import MAGIC, GzippedFile
from producer.manifest.input_file import DiskFile, InputFile
from producer.manifest.platforms import platform_named
from producer.manifest.rewrite.cells import Link, image_names, no_place
from producer.manifest.rewrite.csv_feed import rewrite_csv
from producer.manifest.rewrite.json_feed import JsonEditor, rewrite_json_document, rewrite_json_lines
from producer.manifest.rewrite.xml_feed import XmlEditor, rewrite_xml
from producer.output.archives import rewrite_archive
from shared.errors import ManifestError

_HEAD_BYTES = 1 << 16
_CHUNK = 1 << 20
_ZIP = ".zip"


@dataclass(frozen=True)
class FeedFile:
    """A feed on a disk, perhaps compressed, or in an archive. ``platform`` is the one that the merchant named."""

    path: Path
    platform: str | None = None

    @property
    def is_archive(self) -> bool:
        """Return whether the feed lies in a ZIP archive."""
        return self.path.suffix.lower() == _ZIP

    def open(self) -> InputFile:
        """Return the file of the feed itself. Raises ManifestError."""
        if self.is_archive:
            member = manifest_member(self.path)
            if member is None:
                raise ManifestError(f"{self.path.name} contains no feed", code="no_feed")
            return member
        file = DiskFile(self.path)
        return GzippedFile(file) if read_head(file, len(MAGIC)) == MAGIC else file


def rewrite_feed(path: Path, platform: str | None, link: Link, file: BinaryIO, *, add: bool = False) -> str:
    """Write a feed with new addresses to an open file, and return its format.

    With ``add`` the new pictures stand beside the old ones. A feed in an archive is written as an archive, with its
    other members as they were. Raises ManifestError.
    """
    feed = FeedFile(path, platform)
    manifest = open_manifest([str(path)], allow_local=False, platform=platform)
    editor = _Editor(feed, manifest.format.rpartition("-")[2], manifest.columns, link, add)
    if feed.is_archive:
        member = manifest_member(path)
        assert member is not None
        rewrite_archive(member.archive, member.path, lambda out: editor.write(member, out.write), file)
    else:
        editor.write(feed.open(), file.write)
    return manifest.format


@dataclass(frozen=True)
class _Editor:
    feed: FeedFile
    kind: str
    columns: tuple[str, ...]
    link: Link
    add: bool

    def write(self, source: InputFile, out: Callable[[bytes], object]) -> None:
        """Write the feed that a file holds. Raises ManifestError."""
        text = exact_text(source, is_xml=self.kind == "xml")
        encoder = codecs.getincrementalencoder(text.encoding)(text.errors)

        def write(piece: str) -> None:
            out(encoder.encode(piece))

        platform = platform_named(self.feed.platform) if self.feed.platform else None
        if self.kind == "csv":
            rewrite_csv(text, platform, self.link, write, add=self.add)
            return
        weak = Columns.among(self.columns, platform, weak=False).image is None
        names = image_names(platform, weak=weak)
        if self.kind == "xml":
            xml = XmlEditor(self.link, names, self.add)
            rewrite_xml(text, xml, write)
            if xml.passed and not xml.count:
                raise no_place(source.name)
            return
        editor = JsonEditor(self.link, names, self.add)
        (rewrite_json_lines if self.kind == "jsonl" else rewrite_json_document)(text, editor, write)
        if editor.passed and not editor.count:
            raise no_place(source.name)


def exact_text(file: InputFile, *, is_xml: bool = False) -> TextFile:
    """Return a file as text from which its bytes can be written again. Raises ManifestError if they cannot."""
    head = read_head(file, _HEAD_BYTES)
    encoding = xml_encoding(file, head) if is_xml else open_text(file).encoding
    if encoding == "utf-16":
        encoding = "utf-16-le" if head.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    elif encoding == "utf-8-sig":
        encoding = "utf-8"  # keeps the byte order mark as a character
    text = TextFile(file, encoding, exact=True)
    if not _is_reversible(text):
        raise ManifestError(
            f"{file.name} has bytes that are not text in its encoding {encoding}: save it as UTF-8 and submit it again",
            code="feed_not_reversible",
        )
    return text


def _is_reversible(text: TextFile) -> bool:
    encoder = codecs.getincrementalencoder(text.encoding)(text.errors)
    try:
        with text.open() as decoded, text.file.open() as raw:
            while piece := decoded.read(_CHUNK):
                encoded = encoder.encode(piece)
                if raw.read(len(encoded)) != encoded:
                    return False
            return not raw.read(1)
    except UnicodeError:
        return False
