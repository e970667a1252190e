"""The file that a manifest is read from: on a disk, or in an archive."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from shared.errors import ManifestError


class InputFile(Protocol):
    """File that can be read any number of times. ``str`` of it names it in messages."""

    @property
    def name(self) -> str:
        """Return the file's name with its extension."""

    @property
    def place(self) -> bytes:
        """Return the file's location, which distinguishes it from others with the same content."""

    def open(self) -> BufferedReader:
        """Open the file for reading from its start. Opening and reading raise OSError."""


@dataclass(frozen=True)
class DiskFile:
    """File on a local disk."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.name

    @property
    def place(self) -> bytes:
        """Return the absolute path."""
        return os.fsencode(self.path.absolute())

    def open(self) -> BufferedReader:
        """Open the file. Raises OSError."""
        return self.path.open("rb")


def disk_path(file: object) -> Path | None:
    """Return the path of a file on a disk, compressed or not; for one in an archive, the archive's."""
    file = getattr(file, "file", file)
    path = file.path if isinstance(file, DiskFile) else getattr(getattr(file, "archive", None), "path", None)
    return path if isinstance(path, Path) else None


def unreadable(file: InputFile, error: OSError, where: str = "") -> ManifestError:
    """Return the error for a file that cannot be read."""
    return ManifestError(f"{file} cannot be read{where}: {error.strerror}", code="manifest_unreadable")


def file_digest(kind: str, file: InputFile) -> str:
    """Return the sha256 of a file's kind, location and content, by which an interrupted submission is resumed."""
    try:
        with file.open() as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(file, error) from error
    return hashlib.sha256(b"\0".join([kind.encode(), file.place, content.encode()])).hexdigest()
