"""What every object store promises, and the rules for keys that all of them share.

Objects are immutable by convention: a key that ends in a hash always means the same bytes. The
store itself does not insist; putting other bytes under a key replaces them, whole, at once.
"""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import SecretStr

from shared.errors import InvalidInput, SourceRefused

MAX_KEY_BYTES = 1024  # the limit of S3, for the key together with the store's own prefix
DEFAULT_CONTENT_TYPE = "application/octet-stream"


class ObjectTooLarge(InvalidInput):
    """An object is larger than the caller is willing to read."""

    code = "object_too_large"


@dataclass(frozen=True)
class ObjectInfo:
    """One line of a listing.

    ``modified_at`` is never earlier than the last put of that key, so that its age can be trusted
    when orphans are swept. ``etag`` is opaque: it differs when the bytes do.
    """

    key: str
    bytes: int
    modified_at: datetime
    etag: str


@dataclass(frozen=True)
class StoreOptions:
    """How to reach an S3 store; the file store needs none of it.

    ``access_key_id``        unset: boto3's own chain (profile, instance role, …) finds credentials.
    ``checksums``            ``when_supported`` adds checksum trailers, which some servers other than
                             AWS refuse or once stored inside the objects.
    ``public_endpoint_url``  the address merchants reach the store under: presigned URLs name it.
    ``max_attempts``         tries of one request, the first included.
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
    """A flat map from keys to bytes. One instance may be shared by all threads of a process.

    Every method raises only errors of ``shared.errors``: MissingObject for a key that is not there,
    StoreUnavailable when the store does not answer (retry later), NotAllowed with the code
    ``store_denied`` when it refuses us, InvalidInput with the code ``invalid_key`` for a bad key.
    """

    url: str  # as shown to people: carries no secret
    puts_at_once = 16  # threads that still gain from one another, for whoever has many objects to put

    @abstractmethod
    def put(self, key: str, data: bytes, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store the bytes. Readers see all of them or none; doing it twice is harmless."""

    @abstractmethod
    def put_file(self, key: str, path: Path, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store a local file. Raises SourceRefused when the file cannot be read."""

    @abstractmethod
    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """Return the bytes. Raises ObjectTooLarge, before reading them, when over ``max_bytes``."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return the number of bytes, or None when there is no such object."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the object; a missing one is fine."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield all objects whose key starts with the prefix, sorted by key, reading as it goes.

        ``a/`` does not see ``ab/x``, ``a`` does.
        """

    @abstractmethod
    def path(self, key: str) -> Path | None:
        """Return where the object lies (or would) as a local file; None where there are no files.

        For reading and for hard links only: whoever writes into that file changes the object.
        """

    @abstractmethod
    def presigned_url(self, key: str, *, expires_seconds: int = 3600, download_name: str | None = None) -> str | None:
        """Return a URL that lets its bearer download the object; None where there is no such thing."""

    def hasty(self) -> ObjectStore:
        """Return the same store, but what is put through it may need ``settle`` to outlast a power cut.

        Whoever puts many objects before anything names them pays for that once instead of for each.
        """
        return self

    def settle(self) -> None:  # noqa: B027 (where puts last at once, nothing is to be done)
        """Make last what was put so far. Raises StoreUnavailable: nothing may name those objects then."""

    def missing(self, keys: Collection[str]) -> set[str]:
        """Return those keys under which there is no object. Asks for several at once where that takes time."""
        return {key for key in keys if not self.exists(key)}

    def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        return self.size(key) is not None


def check_key(key: str) -> None:
    """Refuse a key that could leave the store, or that the two stores would read differently."""
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
        raise _invalid_key(key, f"has {length} bytes; at most {MAX_KEY_BYTES} are possible")


def check_prefix(prefix: str) -> None:
    """Refuse a prefix with which no good key can start."""
    check_key(prefix + "x")


def _invalid_key(key: str, what: str) -> InvalidInput:
    shown = key if len(key) <= 80 else key[:77] + "..."
    return InvalidInput(f"object key {shown!r} {what}", code="invalid_key")


def open_source(path: Path) -> BinaryIO:
    """Open a local file that is about to be put, or raise SourceRefused naming it.

    Anything but a regular file is refused unopened: opening a named pipe would wait for ever.
    """
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return open(path, "rb")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise SourceRefused(f"{path} cannot be read: {reason}") from error
    raise SourceRefused(f"{path} cannot be read: it is not a regular file")
