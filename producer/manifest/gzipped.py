"""Read a file that is compressed with gzip, within limits."""

from __future__ import annotations

import errno
import gzip
import io
import zlib
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from producer.manifest.input_file import InputFile

MAGIC = b"\x1f\x8b"
_RATIO = 200
_ALWAYS_BYTES = 1 << 30
"""Unpacked size that is always allowed; a larger one may be at most ``_RATIO`` times the file's own size."""


@dataclass(frozen=True)
class GzippedFile:
    """The content of a file that is compressed with gzip."""

    file: InputFile

    def __str__(self) -> str:
        return str(self.file)

    @property
    def name(self) -> str:
        """Return the file's name without ``.gz``."""
        return self.file.name[:-3] if self.file.name.lower().endswith(".gz") else self.file.name

    @property
    def place(self) -> bytes:
        """Return the compressed file's location."""
        return self.file.place

    def open(self) -> BufferedReader:
        """Open the content. Opening and reading raise OSError."""
        packed = self.file.open()
        size = packed.seek(0, io.SEEK_END)
        packed.seek(0)
        return BufferedReader(_Unpacked(packed, max(_ALWAYS_BYTES, _RATIO * size)))


class _Unpacked(io.RawIOBase):
    """Stream of the content that raises OSError for damage and beyond the limit."""

    def __init__(self, packed: BufferedReader, room: int) -> None:
        self._packed = packed
        self._stream = gzip.GzipFile(fileobj=packed)
        self._room = room

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise OSError(errno.EIO, f"its gzip compression is damaged ({str(error)[:200]})") from error
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.EFBIG, "its unpacked content is larger than a feed can be")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        self._packed.close()
        super().close()
