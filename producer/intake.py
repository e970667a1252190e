"""Taking in sources: local files and members of archives are put into the object store, by their content."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from PIL import Image

from producer.manifest.formats.archive import Archive, member_of
from producer.thumbnail import FORMATS
from shared.errors import ManifestError, SourceRefused
from shared.merchants.merchants import require_allowed
from shared.queue.jobs import STORED
from shared.source_copies import source_key
from shared.store import ObjectStore

MEMBERS_IN_MEMORY = 2
"""Members of an archive, of which one may be read while another is put."""

UNKNOWN_PIXELS = 1_000_000
"""Assumed of a source whose size is not known before it is fetched."""


_LOCAL = ("file:", "zip:")


class Taken(NamedTuple):
    """A source as a worker can read it, and its size in pixels as far as that is known."""

    source: str
    pixels: int


class Intake:
    """Puts local files into the store once each, however many jobs name them.

    ``allowed`` are the prefixes of ``s3://`` URLs that the merchant may name. As a context manager it ends
    its threads, after the files in their hands.
    """

    def __init__(self, store: ObjectStore, merchant_id: int, max_bytes: int, allowed: Sequence[str] = ()) -> None:
        self._store = store.deferred_sync()
        self._merchant_id = merchant_id
        self._max_bytes = max_bytes
        self._allowed = allowed
        self._archive: Archive | None = None  # the last one: its rows come together
        self._reading = threading.Lock()
        self._members = threading.Semaphore(MEMBERS_IN_MEMORY)
        self._threads = ThreadPoolExecutor(store.concurrent_puts, "intake")  # started as they are needed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._threads.shutdown(cancel_futures=True)

    def begin(self, source: str) -> Taken | Future[Taken]:
        """Begin to take a source in; what is a file here is taken by a thread. Raises as ``take``, now or later."""
        if source.startswith(_LOCAL):
            return self._threads.submit(self.take, source)
        return self.take(source)

    def sync(self) -> None:
        """Make last what was taken: call it before a transaction that names it."""
        self._store.sync()

    def take(self, source: str) -> Taken:
        """Return where a worker reads a source. Raises InvalidInput if it cannot be taken.

        Files go to ``sources/MERCHANT/HASH``: the same file again is the same object.
        """
        if member := member_of(source):
            return self._take_member(*member)
        path = local_path(source)
        if path is None:
            require_allowed(source, self._allowed)
            return Taken(source, UNKNOWN_PIXELS)
        try:
            size = path.stat().st_size
            if size > self._max_bytes:
                raise SourceRefused(
                    f"the file has {size / 2**20:.1f} MiB, over the limit of {self._max_bytes / 2**20:.0f} MiB",
                    code="object_too_large",
                )
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise SourceRefused(f"the file cannot be read: {error.strerror}", code="image_not_readable") from error
        key = source_key(self._merchant_id, digest)
        self._store.put_file(key, path)
        return Taken(STORED + key, header_pixels(path))

    def _take_member(self, path: Path, name: str) -> Taken:
        """Put a file of an archive into the store, under its content and nothing else."""
        with self._members:
            data = self._read_member(path, name)
            key = source_key(self._merchant_id, hashlib.sha256(data).hexdigest())
            self._store.put(key, data)
            return Taken(STORED + key, header_pixels(BytesIO(data)))

    def _read_member(self, path: Path, name: str) -> bytes:
        with self._reading:
            if self._archive is None or self._archive.path != path:
                try:
                    self._archive = Archive(path)
                except ManifestError as error:  # of one row, that names the archive
                    raise SourceRefused(str(error), code=error.code) from error
            return self._archive.read(name, self._max_bytes)


def header_pixels(path: Path | BinaryIO) -> int:
    """Return width × height as the file's header says; a worker finds out if that is a lie."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                return image.width * image.height
    except Exception:  # Pillow raises over six kinds of exception for hostile files; a guess is enough here
        return UNKNOWN_PIXELS


def local_path(source: str) -> Path | None:
    """Return the local path a row named, or None for other kinds of source."""
    if not source.startswith("file://"):
        return None
    return Path(unquote(urlsplit(source).path, errors="surrogateescape"))  # names need not be UTF-8
