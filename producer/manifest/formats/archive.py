"""ZIP archives, read member by member within limits and never unpacked to a path they name.

A member is its place in the archive's directory and nothing else: its name is no path on any disk.
What an archive says of its sizes is believed where it is too much, and not exceeded where it is a lie.
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
"""What an archive may hold whatever its own size; above it, at most ``_RATIO`` times that."""

_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_OUTSIDE = re.compile(r"/|[A-Za-z]:|(.*/)?\.\.(/.*)?\Z", re.DOTALL)
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, NotImplementedError, RuntimeError)
"""What the standard library raises for archives that are not whole, or that it cannot read."""


class Archive:
    """An open archive. ``names`` are those of its files, in its own order, with ``/`` between folders."""

    def __init__(self, path: Path) -> None:
        """Read the directory. Raises ManifestError where it cannot be read, or the archive would explode."""
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
                f"{path.name} is no whole ZIP archive ({str(error)[:200]}): pack or send it again", code="bad_archive"
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
        """Name, size and checksum of each file, as the directory says."""
        return ((name, info.file_size, info.CRC) for name, info in self._members.items())

    def refusal(self, name: str) -> SourceRefused | None:
        """Return what is wrong with a member as far as the directory tells, None if nothing is."""
        info = self._members.get(name)
        if info is None:
            return self._refused(name, "is not in it: correct the path", "image_not_found")
        if _OUTSIDE.match(name):
            return self._refused(name, "leads out of it: pack it again without .. and absolute paths", "archive_path")
        if stat.S_ISLNK(info.external_attr >> 16):
            return self._refused(name, "is a link: pack the file itself", "archive_link")
        if info.flag_bits & _ENCRYPTED:
            return self._refused(name, "is encrypted: pack it without a password", "archive_encrypted")
        if name in self._doubled:
            return self._refused(name, "is in it more than once: which one is meant?", "archive_duplicate")
        if info.compress_type not in _READ:
            return self._refused(name, "is packed in a way that is not read: use Deflate", "archive_method")
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
        """Open a member without a refusal; never more is read than the directory says. Raises OSError."""
        with _damage_as_oserror():
            return io.BufferedReader(_Member(self._zip.open(self._members[name])))

    def _refused(self, name: str, what: str, code: str) -> SourceRefused:
        shown = name if len(name) <= 200 else name[:200] + "…"
        return SourceRefused(f"{shown} of {self.path.name} {what}", code=code)

    def _check_size(self, files: list[zipfile.ZipInfo]) -> None:
        total, packed = sum(info.file_size for info in files), self.path.stat().st_size
        if len(files) > _MOST_MEMBERS:
            what = f"{len(files)} files; at most {_MOST_MEMBERS} are read: split it"
        elif total > max(_ALWAYS_BYTES, _RATIO * packed):
            what = f"{total >> 20} MiB in {packed >> 10} KiB, more than images ever shrink: pack it again"
        else:
            return
        raise ManifestError(f"{self.path.name} holds {what}", code="archive_bomb")


def member_source(path: Path, name: str) -> str:
    """Return the URL of a member: ``zip:///shop.zip!/photos/red.jpg``."""
    return path.absolute().as_uri().replace("file:", SCHEME, 1) + _SEPARATOR + quote(name, safe="/", errors="replace")


def member_of(source: str) -> tuple[Path, str] | None:
    """Return the archive and the name of the member that a URL names, None for other kinds of source."""
    if not source.startswith(SCHEME + "///"):
        return None
    path, separator, name = source.removeprefix(SCHEME + "//").partition(_SEPARATOR)
    if not separator:
        return None
    return Path(unquote(path, errors="surrogateescape")), unquote(name)


class _Bounded(io.FileIO):
    """The archive's file. Its directory is read in one piece, as long as the archive says: that is bounded."""

    def read(self, size: int | None = -1) -> bytes:
        wanted = _DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        data = super().read(min(wanted, _DIRECTORY_BYTES + 1)) or b""
        if len(data) > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its directory is longer than {_DIRECTORY_BYTES >> 20} MiB")
        return data


class _Member(io.RawIOBase):
    """A member as a stream whose damage is an OSError, as that of other files is."""

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
        raise OSError(errno.EIO, f"the archive is damaged there ({str(error)[:200]})") from error
