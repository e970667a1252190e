"""Define the interface of an object store, and the rules for keys that both stores share.

Objects are immutable by convention: a key that ends in a hash always means the same bytes. The
store does not enforce it: a put under an existing key replaces the whole object atomically.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import SecretStr

from shared.errors import InvalidInput, SourceRefused, UsageError

MAX_KEY_BYTES = 1024  # S3's limit, for the key together with the store's own prefix
DEFAULT_CONTENT_TYPE = "application/octet-stream"


class ObjectTooLarge(InvalidInput):
    """An object is larger than the caller is willing to read."""

    code = "object_too_large"


@dataclass(frozen=True)
class ObjectInfo:
    """Describe one object of a listing.

    ``modified_at`` is never earlier than the last put of that key, so the sweep of orphans can trust
    it. ``etag`` is opaque: it differs when the bytes differ.
    """

    key: str
    bytes: int
    modified_at: datetime
    etag: str


@dataclass(frozen=True)
class StoreOptions:
    """Configure access to an S3 store. The file store ignores all of it.

    ``access_key_id``        when unset, boto3's own chain (profile, instance role, …) finds credentials.
    ``checksums``            ``when_supported`` adds checksum trailers. Some servers other than AWS
                             refuse them, and some used to store them inside the objects.
    ``public_endpoint_url``  the address under which merchants reach the store; presigned URLs use it.
    ``max_attempts``         tries of one request, including the first.
    """

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = field(default=None, repr=False)
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    checksums: Literal["when_required", "when_supported"] = "when_required"
    public_endpoint_url: str | None = None
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 20.0
    multipart_threshold_bytes: int = 64 * 1024 * 1024
    max_attempts: int = 3


class ObjectStore(ABC):
    """Map keys to bytes. All threads of a process may share one instance.

    Every method raises only errors of ``shared.errors``: MissingObject for a missing key,
    StoreUnavailable when the store does not answer (retry later), NotAllowed with the code
    ``store_denied`` when it denies access, InvalidInput with the code ``invalid_key`` for a bad key.
    """

    url: str  # shown in messages, so it contains no secret
    concurrent_puts = 16  # threads that a caller with many objects should use

    @abstractmethod
    def put(self, key: str, data: bytes, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store the bytes. Readers see all of them or none; repeating a put is harmless."""

    @abstractmethod
    def put_file(self, key: str, path: Path, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store a local file. Raises SourceRefused when the file cannot be read."""

    @abstractmethod
    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """Return the bytes. Raises ObjectTooLarge, before reading, when there are more than ``max_bytes``."""

    @abstractmethod
    def get_file(self, key: str, path: Path) -> None:
        """Copy the bytes to a new local file, a piece at a time. An incomplete file may be left after an error.

        Raises UsageError where the file cannot be written.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return the number of bytes, or None when there is no such object."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete the object. A missing object is not an error."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield all objects whose key starts with the prefix, in an order that repeats, as the listing is read.

        A folder and most servers sort by key; SeaweedFS goes folder by folder.

        The prefix ``a/`` does not match ``ab/x``; ``a`` does.
        """

    @abstractmethod
    def path(self, key: str) -> Path | None:
        """Return the local file of the object, whether it exists or not; None where the store has no files.

        Use it for reading and hard links only: writing into that file changes the object.
        """

    @abstractmethod
    def presigned_url(self, key: str, *, expires_seconds: int = 3600, download_name: str | None = None) -> str | None:
        """Return a URL with which anybody can download the object; None where the store has no such URLs."""

    @abstractmethod
    def presigned_put(self, key: str, size: int, *, expires_seconds: int) -> str | None:
        """Return a URL to which anybody can PUT exactly ``size`` bytes as the object; None where there are none.

        There are some only where merchants reach the store, at ``public_endpoint_url``.
        """

    def deferred_sync(self) -> ObjectStore:
        """Return the same store, whose puts survive a power cut only after ``sync``.

        A caller that puts many objects before it records their keys pays for one sync instead of many.
        """
        return self

    def sync(self) -> None:  # noqa: B027 (most stores make each put durable at once)
        """Make all earlier puts durable. On StoreUnavailable the caller must not record their keys."""

    def missing(self, keys: Collection[str]) -> set[str]:
        """Return the keys that have no object. Asks for several at once where each request takes time."""
        return {key for key in keys if not self.exists(key)}

    def exists(self, key: str) -> bool:
        """Return whether the object exists."""
        return self.size(key) is not None


def check_key(key: str) -> None:
    """Refuse a key that could leave the store, or that the two stores would interpret differently."""
    if not key:
        raise _invalid_key(key, "is empty")
    if key.startswith("/"):
        raise _invalid_key(key, "is absolute: leave out the first /")
    if "\0" in key:
        raise _invalid_key(key, "contains a NUL character")
    if any(segment in ("", ".", "..") for segment in key.split("/")):
        raise _invalid_key(key, "has an empty, '.' or '..' part")
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise _invalid_key(key, "cannot be written as UTF-8") from None
    if length > MAX_KEY_BYTES:
        raise _invalid_key(key, f"has {length} bytes; the limit is {MAX_KEY_BYTES}")


def check_prefix(prefix: str) -> None:
    """Refuse a prefix with which no valid key can start."""
    check_key(prefix + "x")


def _invalid_key(key: str, problem: str) -> InvalidInput:
    shown = key if len(key) <= 80 else key[:77] + "..."
    return InvalidInput(f"object key {shown!r} {problem}", code="invalid_key")


@contextmanager
def open_target(path: Path) -> Iterator[BinaryIO]:
    """Open a new local file for the bytes of an object. Raises UsageError, which names the file."""
    try:
        with open(path, "xb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", code="unwritable") from error


def open_source(path: Path) -> BinaryIO:
    """Open a local file for a put. Raises SourceRefused, which names the file.

    Only regular files are opened: opening a named pipe would block for ever.
    """
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return open(path, "rb")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise SourceRefused(f"{path} cannot be read: {reason}") from error
    raise SourceRefused(f"{path} cannot be read: it is not a regular file")
