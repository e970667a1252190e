"""Write a ZIP archive as a stream, in constant memory, after APPNOTE.TXT 6.3.10 of PKWARE.

Entries are stored, since pictures are compressed already; their sizes and checksums stand before their bytes. What the
end of an archive repeats about each entry waits in a temporary file: Python's ``zipfile`` keeps an
object for each entry, which takes hundreds of MiB for a million.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

PIECE_BYTES = 256 * 1024
MOST_ENTRY_BYTES = 2**32 - 2
"""Largest entry: one beyond it would need other sizes than these headers have."""

_SPOOLED_BYTES = 4 * 1024 * 1024
_UTF8_NAME = 1 << 11
_ZIP64_VERSION = 45
_UNIX = 3
_FILE_MODE = 0o100644 << 16
_NO_PATH = str.maketrans({"\\": "_", "\0": "_"})

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s4B4H3I5H2I")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")


class ZipStream:
    """ZIP archive whose bytes the caller sends on. Without those of ``end`` no reader takes it for complete."""

    def __init__(self, made_at: datetime) -> None:
        self._directory = tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES)  # noqa: SIM115 (closed by __exit__)
        self._entries = self._offset = 0
        self._time = made_at.hour << 11 | made_at.minute << 5 | made_at.second // 2
        self._date = (max(made_at.year, 1980) - 1980) << 9 | made_at.month << 5 | made_at.day

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._directory.close()

    def add(self, name: str, data: bytes) -> Iterator[bytes]:
        """Yield the bytes of an entry. ``name`` is its path with slashes."""
        yield self._begin(name, len(data), zlib.crc32(data))
        yield data

    def add_file(self, name: str, path: Path) -> Iterator[bytes]:
        """Yield the bytes of a local file as an entry. It is read twice, the first time for its checksum."""
        size = checksum = 0
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                size, checksum = size + len(piece), zlib.crc32(piece, checksum)
            yield self._begin(name, size, checksum)
            file.seek(0)
            while piece := file.read(PIECE_BYTES):
                yield piece

    def end(self) -> Iterator[bytes]:
        """Yield the directory of the archive, which ends it."""
        size, start = self._directory.tell(), self._offset
        self._directory.seek(0)
        while piece := self._directory.read(PIECE_BYTES):
            yield piece
        yield _END64.pack(
            b"PK\6\6", _END64.size - 12, _ZIP64_VERSION, _ZIP64_VERSION, 0, 0, self._entries, self._entries, size, start
        )
        yield _LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
        entries = min(self._entries, 0xFFFF)
        yield _END.pack(b"PK\5\6", 0, 0, entries, entries, min(size, 0xFFFFFFFF), min(start, 0xFFFFFFFF), 0)

    def _begin(self, name: str, size: int, checksum: int) -> bytes:
        """Return the header of an entry, and note the entry in the directory."""
        if size > MOST_ENTRY_BYTES:
            raise ValueError(f"{name} has {size} bytes; the limit of an entry is {MOST_ENTRY_BYTES}")
        encoded = name.translate(_NO_PATH).encode("utf-8", "replace")
        header = _LOCAL.pack(
            b"PK\3\4", 20, _UTF8_NAME, 0, self._time, self._date, checksum, size, size, len(encoded), 0
        )
        # An offset beyond 4 GiB stands in an extra field: tag 1, its length, the offset.
        extra = struct.pack("<2HQ", 1, 8, self._offset) if self._offset >= 0xFFFFFFFF else b""
        version = _ZIP64_VERSION if extra else 20
        self._directory.write(
            _CENTRAL.pack(
                b"PK\1\2", version, _UNIX, version, 0, _UTF8_NAME, 0, self._time, self._date, checksum, size, size,
                len(encoded), len(extra), 0, 0, 0, _FILE_MODE, min(self._offset, 0xFFFFFFFF),
            )
            + encoded
            + extra
        )  # fmt: skip
        self._entries += 1
        self._offset += len(header) + len(encoded) + size
        return header + encoded
