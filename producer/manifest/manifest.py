"""Combine one or several inputs into one stream of rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from producer.manifest.outputs import OutputNames
from producer.manifest.platforms import PLAIN
from producer.manifest.row import ManifestRow
from producer.manifest.source import missing_file


class Part(Protocol):
    """One input of a manifest. Its rows can be read any number of times.

    The ``output`` of its rows is only a suggestion, and files may be missing: the manifest handles both.
    """

    @property
    def name(self) -> str:
        """Return the name used in messages."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the header; empty for listings."""

    @property
    def digest(self) -> str:
        """Return a digest that identifies the content."""

    @property
    def ignored(self) -> int:
        """Return the number of files in the listing that are not images."""

    @property
    def format(self) -> str:
        """Return the name of the input's format."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes for the merchant on how the input was read, of the last reading so far."""

    def rows(self) -> Iterator[ManifestRow]:
        """Yield all rows, always in the same order."""


class Manifest:
    """Manifest as ``open_manifest`` returns it.

    ``name``         name used in messages.
    ``columns``      header of the input; empty for listings.
    ``fingerprint``  identifies paths and content, so that an interrupted submission can be resumed.
    ``ignored``      number of listed files that are not images.
    ``platform``     platform that the merchant named; None if it was to be detected.
    """

    def __init__(self, parts: Sequence[Part], platform: str | None = None) -> None:
        self._parts = tuple(parts)
        self.platform = platform
        names = [part.name for part in parts]
        self.name = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        self.columns = tuple(dict.fromkeys(column for part in parts for column in part.columns))
        self.ignored = sum(part.ignored for part in parts)
        identity = [part.digest for part in parts] + ([f"platform {platform}"] if platform else [])
        self.fingerprint = hashlib.sha256("\n".join(identity).encode()).hexdigest()

    @property
    def format(self) -> str:
        """Return the formats of the inputs, such as ``shopify-csv``."""
        return ", ".join(dict.fromkeys(part.format for part in self._parts))

    @property
    def feed(self) -> Path | None:
        """Return the file if the manifest is a single one on a disk, or its archive; else None.

        Such a file can be given back.
        """
        path = getattr(self._parts[0], "path", None) if len(self._parts) == 1 else None
        return path if isinstance(path, Path) else None

    @property
    def layouts(self) -> tuple[str, ...]:
        """Return a sentence for each input that was recognised as the export of a shop system."""
        recognised = ((part.name, getattr(part, "platform", PLAIN)) for part in self._parts)
        return tuple(
            f"{name} is read as a {platform.title}; if it is none, give --platform"
            for name, platform in recognised
            if platform is not PLAIN
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Return sentences for the merchant, such as a guessed encoding; more of them when the rows were read."""
        return tuple(note for part in self._parts for note in part.notes)

    def rows(self, skip: int = 0) -> Iterator[ManifestRow]:
        """Yield the rows after the first ``skip``, numbered and named as in a full read.

        Skipped rows are read too, for their names, but their files are not checked. Raises ManifestError, which
        names the line, where a file breaks off; the rows before it are valid. For memory see OutputNames.
        """
        outputs = OutputNames()
        number = 0
        for part in self._parts:
            for row in part.rows():
                number += 1
                output = outputs.claim(row.output)
                if number > skip:
                    yield _finished(row, output)


def _finished(row: ManifestRow, output: str) -> ManifestRow:
    error = row.error or missing_file(row.source)
    if error is None and output == row.output:
        return row
    return row._replace(output=output, error=error, source="" if error else row.source)
