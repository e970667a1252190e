"""Put sources, local files and members of archives, into the object store under the hash of their content."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from types import MappingProxyType, TracebackType
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
"""Archive members in memory: one may be read while another is put."""

UNKNOWN_PIXELS = 1_000_000
"""Assumed size of a source that is not known before it is fetched."""


_LOCAL = ("file:", "zip:")


class Taken(NamedTuple):
    """Source as a worker can read it, and its size in pixels if known."""

    source: str
    pixels: int


class Intake:
    """Put local files into the store, each once, however many jobs name it.

    ``allowed`` are the prefixes of ``s3://`` URLs that the merchant may name; ``pixels`` are the sizes of sources that
    are in the store already. Leaving the context waits for the
    files in progress and ends the threads.
    """

    def __init__(
        self,
        store: ObjectStore,
        merchant_id: int,
        max_bytes: int,
        allowed: Sequence[str] = (),
        pixels: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._store = store.deferred_sync()
        self._merchant_id = merchant_id
        self._max_bytes = max_bytes
        self._allowed = allowed
        self._pixels = pixels
        self._archive: Archive | None = None  # the last one, since rows of an archive are consecutive
        self._reading = threading.Lock()
        self._members = threading.Semaphore(MEMBERS_IN_MEMORY)
        self._threads = ThreadPoolExecutor(store.concurrent_puts, "intake")  # started when needed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._threads.shutdown(cancel_futures=True)

    def begin(self, source: str) -> Taken | Future[Taken]:
        """Begin to take in a source; a thread reads a local file. Raises as ``take``, now or from the future."""
        if source.startswith(_LOCAL):
            return self._threads.submit(self.take, source)
        return self.take(source)

    def sync(self) -> None:
        """Make the files put so far durable. Call it before a transaction that names them."""
        self._store.sync()

    def take(self, source: str) -> Taken:
        """Return the address where a worker reads a source. Raises InvalidInput if it cannot be taken in.

        Files are stored as ``sources/MERCHANT/HASH``: the same file is always the same object.
        """
        if member := member_of(source):
            return self._take_member(*member)
        path = local_path(source)
        if path is None:
            require_allowed(source, self._allowed)
            return Taken(source, self._pixels.get(source, UNKNOWN_PIXELS))
        try:
            size = path.stat().st_size
            if size > self._max_bytes:
                raise SourceRefused(
                    f"the file has {size / 2**20:.1f} MiB; the limit is {self._max_bytes / 2**20:.0f} MiB",
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
        """Put a member of an archive into the store, under the hash of its content."""
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
                except ManifestError as error:  # concerns only the row that names the archive
                    raise SourceRefused(str(error), code=error.code) from error
            return self._archive.read(name, self._max_bytes)


def header_pixels(path: Path | BinaryIO) -> int:
    """Return width × height from the file's header. If the header lies, a worker finds out."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                return image.width * image.height
    except Exception:  # Pillow raises many kinds of exception for hostile files; a guess is enough here
        return UNKNOWN_PIXELS


def local_path(source: str) -> Path | None:
    """Return the local path that a row named, or None for other sources."""
    if not source.startswith("file://"):
        return None
    return Path(unquote(urlsplit(source).path, errors="surrogateescape"))  # file names may not be UTF-8
