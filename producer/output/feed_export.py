"""Give a merchant's feed back with the addresses of its renditions, and every other byte as it was."""

from __future__ import annotations

import codecs
import gzip
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from producer.kept_feeds import copy_feed, find_feed
from producer.manifest import open_manifest
from producer.manifest.formats.textlines import TextFile, open_text, read_head
from producer.manifest.formats.xml_text import xml_encoding
from producer.manifest.gzipped import MAGIC, GzippedFile
from producer.manifest.input_file import DiskFile, InputFile
from producer.manifest.platforms import platform_named
from producer.manifest.rewrite.cells import Link
from producer.manifest.rewrite.csv_feed import rewrite_csv
from producer.manifest.rewrite.json_feed import rewrite_json_document, rewrite_json_lines
from producer.manifest.rewrite.xml_feed import rewrite_xml
from producer.output.export import job_results, read_rendition
from producer.output.out_folder import OutFolder, Target, prepare_folder
from producer.output.picture_links import BY_SKU, FeedFiles, PictureLinks
from shared.context import Session
from shared.errors import ManifestError, UsageError
from shared.presets import feed_labels
from shared.queue.batches import Batch

_HEAD_BYTES = 1 << 16
_CHUNK = 1 << 20


@dataclass(frozen=True)
class FeedExport:
    """What was written: the feed's format, and how many addresses in it are new."""

    format: str
    replaced: int


@dataclass(frozen=True)
class FeedNaming:
    """How a feed names pictures: ``names`` as in ``PictureLinks``; the ``preset``, by default the batch's first."""

    names: str = BY_SKU
    preset: str | None = None


def export_feed(
    session: Session,
    batch: Batch,
    base_url: str,
    out: Path,
    *,
    images: Path | None = None,
    naming: FeedNaming | None = None,
) -> FeedExport:
    """Write the feed of a batch to ``out``, with the addresses of its succeeded pictures.

    A picture whose file breaks a rule of its channel keeps its old address. With ``images`` the renditions are written
    to that folder, under the names that the feed gives them.

    Raises NotFound if the batch was no feed, and UsageError if the address is none or the file cannot be written.
    """
    if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).netloc:
        raise UsageError(f"--base-url {base_url!r} is no web address: write the one under which renditions are served")
    if out.exists():
        raise UsageError(f"--out {out} exists already: choose another file, or remove it", code="overwrites_files")
    feed = find_feed(session.store, batch)
    naming = naming or FeedNaming()
    files = FeedFiles(feed_labels(batch.presets, batch.preset_rules, naming.preset), batch.presets)
    links = PictureLinks(base_url, naming.names, platform_named(feed.platform) if feed.platform else None, files)
    links.add(job_results(session, batch))
    if images is not None:
        _write_images(session, links, images)
    with tempfile.TemporaryDirectory(prefix="atelier-feed-") as folder:
        path = copy_feed(session.store, feed, Path(folder))
        replaced = 0

        def link(line: int, address: str) -> str | None:
            nonlocal replaced
            found = links.find(line, address)
            replaced += found is not None
            return found

        with _whole_file(out) as file:
            format = rewrite_feed(path, feed.platform, link, file)
    return FeedExport(format, replaced)


def _write_images(session: Session, links: PictureLinks, out: Path) -> None:
    prepare_folder(out)
    folder = OutFolder(out)
    if not folder.is_empty:
        folder.require_free(Target(one.name, PurePosixPath(one.object_key).stem) for one in links.renditions())
    for rendition in links.renditions():
        folder.write(rendition.name, read_rendition(session.store, rendition.object_key))


def rewrite_feed(path: Path, platform: str | None, link: Link, file: BinaryIO) -> str:
    """Write a feed with new addresses to an open file, and return its format. Raises ManifestError."""
    format = open_manifest([str(path)], allow_local=False, platform=platform).format
    source: InputFile = DiskFile(path)
    if read_head(source, len(MAGIC)) == MAGIC:
        source = GzippedFile(source)
    kind = format.rpartition("-")[2]
    text = exact_text(source, is_xml=kind == "xml")
    encoder = codecs.getincrementalencoder(text.encoding)(text.errors)

    def write(piece: str) -> None:
        file.write(encoder.encode(piece))

    match kind:
        case "csv":
            rewrite_csv(text, platform_named(platform) if platform else None, link, write)
        case "jsonl":
            rewrite_json_lines(text, link, write)
        case "json":
            rewrite_json_document(text, link, write)
        case _:
            rewrite_xml(text, link, write)
    return format


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


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears only when complete, compressed if its name says so. Raises UsageError."""
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as raw:
            if path.suffix.lower() == ".gz":
                with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed:
                    yield packed  # type: ignore[misc]  # it has the method that is used
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", code="unwritable") from error
    finally:
        part.unlink(missing_ok=True)
