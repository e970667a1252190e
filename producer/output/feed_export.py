"""Give a merchant's feed back with the addresses of its renditions, and every other byte as it was."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from producer.catalog_import import counted_position
from producer.jobs_from_rows import folder_of
from producer.kept_feeds import KeptFeed, copy_feed, find_catalog_feed, find_feed
from producer.manifest import ManifestRow, open_manifest
from producer.manifest.platforms import platform_named
from producer.output.export import job_results, read_rendition
from producer.output.feed_rewriting import FeedFile, rewrite_feed
from producer.output.names import BY_SKU
from producer.output.out_folder import OutFolder, Target, prepare_folder
from producer.output.picture_links import Address, FeedFiles, NamedRendition, PictureLinks, Shown, below
from producer.output.published import Published, publish
from producer.output.rendition_names import BatchNames
from shared.catalog.shown import shown_pictures
from shared.context import Session
from shared.errors import UsageError
from shared.look import Look
from shared.preset_files import feed_labels
from shared.queue.batches import Batch
from shared.store import ObjectStore, open_store

_PROBE = NamedRendition("probe.jpg", "probe.jpg")
"""Stands for any rendition, to learn what addresses a store gives."""


class Placing(StrEnum):
    """Which pictures of a feed the renditions replace."""

    EACH = "each"
    """Each its own photo."""
    FIRST = "first"
    """Only the first picture of each sku."""
    ADD = "add"
    """None: they are further pictures of their products, beside the photos."""


@dataclass(frozen=True)
class FeedOptions:
    """How a feed is given back.

    ``base_url``         address under which the merchant serves the renditions; None for that of the store to which
                         they are published.
    ``names``            one of ``NAMES``.
    ``placing``          which pictures the renditions replace.
    ``presigned_hours``  instead of a base URL: addresses signed by the store, which expire after so many hours.
    ``preset``           preset of the batch whose files the feed names; by default its first. A picture whose file
                         breaks a rule of its channel keeps its old address.
    """

    base_url: str | None = None
    names: str = BY_SKU
    placing: Placing = Placing.EACH
    presigned_hours: int | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        if self.base_url is not None and self.presigned_hours is not None:
            raise UsageError("a base URL and signed addresses exclude each other: give one of them")
        if self.base_url is None:
            return
        try:
            parts = urlsplit(self.base_url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UsageError(
                f"--base-url {self.base_url!r} is no web address: write the one under which renditions are served"
            )


@dataclass(frozen=True)
class Outputs:
    """Where things are written: the new feed; and the renditions, to a folder or published in a store, by its URL."""

    feed: Path
    images: Path | None = None
    publish: str | None = None


@dataclass(frozen=True)
class FeedExport:
    """What was written: the feed's format, and how many addresses in it are new."""

    format: str
    replaced: int
    published: Published | None = None


def export_feed(session: Session, batch: Batch, options: FeedOptions, outputs: Outputs) -> FeedExport:
    """Write the feed of a batch with the addresses of its succeeded pictures.

    Raises NotFound if the batch was no feed, ManifestError if it cannot be given back so, and UsageError if a file
    cannot be written.
    """

    files = FeedFiles(feed_labels(batch.presets, batch.preset_rules, options.preset), batch.presets)

    def fill(links: PictureLinks, _: FeedFile) -> None:
        links.add(job_results(session, batch), BatchNames.of(batch, options.names), files)

    return _Export(session, batch.merchant_id, options, outputs).write(find_feed(session.store, batch), fill)


def export_catalog_feed(session: Session, merchant: int, options: FeedOptions, outputs: Outputs) -> FeedExport:
    """Write the feed of a merchant's catalogue with the addresses of what the catalogue shows now. Raises as above."""

    def fill(links: PictureLinks, feed: FeedFile) -> None:
        shown = _ShownPlaces(session, merchant)
        manifest = open_manifest([str(feed.path)], allow_local=False, platform=feed.platform)
        links.add_shown(manifest.rows(), shown.of)

    feed = find_catalog_feed(session.store, merchant)
    return _Export(session, merchant, options, outputs).write(feed, fill)


@dataclass(frozen=True)
class _Export:
    session: Session
    merchant: int
    options: FeedOptions
    outputs: Outputs

    def write(self, feed: KeptFeed, fill: Callable[[PictureLinks, FeedFile], None]) -> FeedExport:
        out = self.outputs.feed
        if out.exists():
            raise UsageError(f"--out {out} exists already: choose another file, or remove it", code="overwrites_files")
        target = None if self.outputs.publish is None else self._store(self.outputs.publish)
        links = PictureLinks(
            self._addresses(target),
            platform_named(feed.platform) if feed.platform else None,
            first_only=self.options.placing == Placing.FIRST,
        )
        with tempfile.TemporaryDirectory(prefix="atelier-feed-") as folder:
            file = FeedFile(copy_feed(self.session.store, feed, Path(folder)), feed.platform)
            if file.is_archive != (out.suffix.lower() == ".zip"):
                raise UsageError(
                    f"--out {out} must end in .zip, since the feed lies in a ZIP archive"
                    if file.is_archive
                    else f"--out {out} ends in .zip, but the feed {feed.name} is no archive: choose another ending"
                )
            fill(links, file)
            published = None if target is None else publish(self.session, self.merchant, target, links.renditions)
            if self.outputs.images is not None:
                _write_images(self.session, links, self.outputs.images)
            with _whole_file(out) as written:
                format, replaced = self._rewrite(file, links, written)
        return FeedExport(format, replaced, published)

    def _rewrite(self, feed: FeedFile, links: PictureLinks, written: BinaryIO) -> tuple[str, int]:
        replaced = 0

        def link(line: int, address: str) -> str | None:
            nonlocal replaced
            found = links.find(line, address)
            replaced += found is not None
            return found

        with _packed(self.outputs.feed, written) as file:
            format = rewrite_feed(feed.path, feed.platform, link, file, add=self.options.placing == Placing.ADD)
        if not replaced and feed.path.suffix.lower() == self.outputs.feed.suffix.lower():
            # Compressing the same content again could give other bytes.
            written.seek(0)
            written.truncate()
            with feed.path.open("rb") as source:
                shutil.copyfileobj(source, written)
        return format, replaced

    def _addresses(self, target: ObjectStore | None) -> Address:
        if self.options.base_url is not None:
            return below(self.options.base_url)
        if self.options.presigned_hours is None:
            if target is None:
                raise UsageError("give the address under which renditions are served (--base-url), or --presigned")
            return below(_public_url(target))
        store = target or self.session.store
        seconds = self.options.presigned_hours * 3600

        def signed(rendition: NamedRendition) -> str:
            key = rendition.object_key if target is None else rendition.name
            url = store.presigned_url(key, expires_seconds=seconds)
            if url is None:
                raise UsageError("only an S3 store signs addresses: give --base-url instead of --presigned")
            return url

        signed(_PROBE)  # before any work is done
        return signed

    def _store(self, url: str) -> ObjectStore:
        return open_store(url, self.session.settings.store_options)


def _public_url(store: ObjectStore) -> str:
    """Return the address of a store for whoever may read it without a signature: of a folder, its own."""
    signed = store.presigned_url(_PROBE.name)
    return store.url if signed is None else signed.partition("?")[0].removesuffix(_PROBE.name)


class _ShownPlaces:
    """What a catalogue shows, by sku and position, in a temporary SQLite file."""

    def __init__(self, session: Session, merchant: int) -> None:
        self._database = sqlite3.connect("")  # an empty name is a temporary file, which SQLite removes
        self._database.executescript(
            """
            CREATE TABLE shown (sku TEXT, position INT, image TEXT, style TEXT, preset TEXT, object_key TEXT,
                                PRIMARY KEY (sku, position)) WITHOUT ROWID;
            CREATE TABLE counted (sku TEXT PRIMARY KEY, position INT) WITHOUT ROWID;
            CREATE TABLE taken (sku TEXT, position INT, PRIMARY KEY (sku, position)) WITHOUT ROWID;
            """
        )
        rows = (
            (one.sku, one.position, one.image, _style(one.look), one.preset, one.object_key)
            for one in shown_pictures(session.engine, merchant)
        )
        self._database.executemany("INSERT INTO shown VALUES (?, ?, ?, ?, ?, ?)", rows)

    def of(self, row: ManifestRow) -> Shown | None:
        """Return what is shown of the next row of the feed; None if nothing is, or the row's picture is another one.

        Rows have the positions that an import gives them. Of two rows with one position the first counts.
        """
        counted = self._database.execute(
            "INSERT INTO counted VALUES (?, 1) ON CONFLICT (sku) DO UPDATE SET position = position + 1"
            " RETURNING position",
            (row.sku,),
        ).fetchone()[0]
        position = counted_position(row.position, counted)
        found = self._database.execute(
            "SELECT position, style, preset, object_key, image FROM shown WHERE sku = ? AND position = ?",
            (row.sku, position),
        ).fetchone()
        if found is None or (_is_web(found[4]) and found[4] != row.image):
            return None
        new = self._database.execute("INSERT OR IGNORE INTO taken VALUES (?, ?)", (row.sku, position)).rowcount
        return Shown(*found[:4]) if new else None


def _style(look: Look | None) -> str:
    return "restyled" if look is None else folder_of(look)


def _is_web(image: str) -> bool:
    return image[:4].lower() == "http"


def _write_images(session: Session, links: PictureLinks, out: Path) -> None:
    prepare_folder(out)
    folder = OutFolder(out)
    if not folder.is_empty:
        folder.require_free(Target(one.name, PurePosixPath(one.object_key).stem) for one in links.renditions())
    for rendition in links.renditions():
        folder.write(rendition.name, read_rendition(session.store, rendition.object_key))


@contextmanager
def _packed(out: Path, file: BinaryIO) -> Iterator[BinaryIO]:
    """Open a file for writing into another, compressed if the name says so."""
    if out.suffix.lower() == ".gz":
        with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
            yield packed  # type: ignore[misc]  # it has the method that is used
    else:
        yield file


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears only when complete. Raises UsageError."""
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", code="unwritable") from error
    finally:
        part.unlink(missing_ok=True)
