"""Read ZIP archives member by member, within limits. Nothing is unpacked to a path that an archive names.

A member is identified by its place in the archive's directory; its name is no path on any disk. A declared size
over the limit refuses the archive, and no more than the declared size is ever read.
"""

from __future__ import annotations

import errno
import io
import re
import stat
import struct
import weakref
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, unquote

from shared.errors import ManifestError, SourceRefused

SCHEME = "zip:"
_SEPARATOR = "!/"

_MOST_MEMBERS = 250_000
_DIRECTORY_BYTES = 24 << 20
_RATIO = 100
_ALWAYS_BYTES = 1 << 30
"""Unpacked size that is always allowed; a larger one may be at most ``_RATIO`` times the archive's own size."""

_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_OUTSIDE = re.compile(r"/|[A-Za-z]:|(.*/)?\.\.(/.*)?\Z", re.DOTALL)
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, NotImplementedError, RuntimeError)
"""Exceptions of the standard library for archives that are damaged or unsupported."""


class Archive:
    """Open archive. ``names`` are its files in archive order, with ``/`` between folders."""

    def __init__(self, path: Path) -> None:
        """Read the directory. Raises ManifestError if it cannot be read or declares too much."""
        self.path = path
        try:
            file = _Bounded(path)
        except OSError as error:
            raise ManifestError(f"{path} cannot be read: {error.strerror}", code="manifest_unreadable") from error
        weakref.finalize(self, file.close)
        try:
            self._zip = zipfile.ZipFile(cast(IO[bytes], file))
        except (OSError, *_DAMAGE) as error:
            raise ManifestError(
                f"{path.name} is not a complete ZIP archive ({str(error)[:200]}): pack or send it again",
                code="bad_archive",
            ) from error
        files = [info for info in self._zip.infolist() if not info.filename.endswith(("/", "\\"))]
        self._check_size(files)
        self.names = [info.filename.replace("\\", "/") for info in files]
        self._members = dict(zip(self.names, files, strict=True))
        self._doubled = {name for name, count in Counter(self.names).items() if count > 1}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def contents(self) -> Iterator[tuple[str, int, int]]:
        """Yield name, size and checksum of each file, as the directory declares them."""
        return ((name, info.file_size, info.CRC) for name, info in self._members.items())

    @property
    def members(self) -> list[zipfile.ZipInfo]:
        """Return the entries of the directory, folders included."""
        return self._zip.infolist()

    @property
    def comment(self) -> bytes:
        """Return the comment of the whole archive."""
        return self._zip.comment

    def refusal(self, name: str) -> SourceRefused | None:
        """Return the problem of a member that the directory reveals, or None."""
        info = self._members.get(name)
        if info is None:
            return self._refused(name, "is not in it: correct the path", "image_not_found")
        if _OUTSIDE.match(name):
            return self._refused(name, "points outside it: pack it again without .. and absolute paths", "archive_path")
        if stat.S_ISLNK(info.external_attr >> 16):
            return self._refused(name, "is a link: pack the file itself", "archive_link")
        if info.flag_bits & _ENCRYPTED:
            return self._refused(name, "is encrypted: pack it without a password", "archive_encrypted")
        if name in self._doubled:
            return self._refused(name, "is in it more than once: keep one of them", "archive_duplicate")
        if info.compress_type not in _READ:
            return self._refused(name, "uses an unsupported compression: use Deflate", "archive_method")
        return None

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return a member's bytes. Raises SourceRefused."""
        if refusal := self.refusal(name):
            raise refusal
        if self._members[name].file_size > max_bytes:
            limit = max_bytes / 2**20
            raise self._refused(name, f"is over the limit of {limit:.0f} MiB: make it smaller", "object_too_large")
        try:
            with self.open(name) as stream:
                return stream.read()
        except OSError as error:
            raise self._refused(name, f"cannot be read: {error.strerror}", "archive_damaged") from error

    def open(self, name: str) -> io.BufferedReader:
        """Open a member that has no problem. At most its declared size is read. Raises OSError."""
        with _damage_as_oserror():
            return io.BufferedReader(_Member(self._zip.open(self._members[name])))

    def _refused(self, name: str, problem: str, code: str) -> SourceRefused:
        shown = name if len(name) <= 200 else name[:200] + "…"
        return SourceRefused(f"{shown} of {self.path.name} {problem}", code=code)

    def _check_size(self, files: list[zipfile.ZipInfo]) -> None:
        total, packed = sum(info.file_size for info in files), self.path.stat().st_size
        if len(files) > _MOST_MEMBERS:
            problem = f"{len(files)} files; at most {_MOST_MEMBERS} are allowed: split it"
        elif total > max(_ALWAYS_BYTES, _RATIO * packed):
            problem = f"{total >> 20} MiB in {packed >> 10} KiB, more than images can be compressed: pack it again"
        else:
            return
        raise ManifestError(f"{self.path.name} contains {problem}", code="archive_bomb")


def member_source(path: Path, name: str) -> str:
    """Return the URL of a member: ``zip:///shop.zip!/photos/red.jpg``."""
    return path.absolute().as_uri().replace("file:", SCHEME, 1) + _SEPARATOR + quote(name, safe="/", errors="replace")


def member_of(source: str) -> tuple[Path, str] | None:
    """Return the archive and the member that a URL names; None for other sources."""
    if not source.startswith(SCHEME + "///"):
        return None
    path, separator, name = source.removeprefix(SCHEME + "//").partition(_SEPARATOR)
    if not separator:
        return None
    return Path(unquote(path, errors="surrogateescape")), unquote(name)


class _Bounded(io.FileIO):
    """The archive's file, with a limit on one read: the directory is read at once, with the length it declares."""

    def read(self, size: int | None = -1) -> bytes:
        wanted = _DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        data = super().read(min(wanted, _DIRECTORY_BYTES + 1)) or b""
        if len(data) > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory is longer than {_DIRECTORY_BYTES >> 20} MiB")
        return data


class _Member(io.RawIOBase):
    """A member as a stream that raises OSError for damage, like other files."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with _damage_as_oserror():
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextmanager
def _damage_as_oserror() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise OSError(errno.EIO, f"the archive is damaged ({str(error)[:200]})") from error
