"""The file that a manifest is read from: on a disk, or a member of an archive."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from shared.errors import ManifestError


class InputFile(Protocol):
    """A file that can be read any number of times. ``str`` of it is what messages about reading it name."""

    @property
    def name(self) -> str:
        """Its last name, with its extension."""

    @property
    def place(self) -> bytes:
        """Where it lies, to tell it from others of the same content."""

    def open(self) -> BufferedReader:
        """Open it for reading from its start. This and reading raise OSError where that does not work."""


@dataclass(frozen=True)
class DiskFile:
    """A file on a disk of ours."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """The path's last part."""
        return self.path.name

    @property
    def place(self) -> bytes:
        """The absolute path."""
        return os.fsencode(self.path.absolute())

    def open(self) -> BufferedReader:
        """Open the file. Raises OSError."""
        return self.path.open("rb")


def unreadable(file: InputFile, error: OSError, where: str = "") -> ManifestError:
    """Return what to say where a file cannot be read."""
    return ManifestError(f"{file} cannot be read{where}: {error.strerror}", code="manifest_unreadable")


def file_digest(kind: str, file: InputFile) -> str:
    """Return the sha256 of a file's kind, place and content, for resuming an interrupted submission."""
    try:
        with file.open() as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(file, error) from error
    return hashlib.sha256(b"\0".join([kind.encode(), file.place, content.encode()])).hexdigest()
