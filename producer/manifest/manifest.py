"""A manifest: one or several inputs read as one stream of rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from producer.manifest.outputs import OutputNames
from producer.manifest.row import ManifestRow
from producer.manifest.source import missing_file


class Part(Protocol):
    """One input of a manifest. Its rows may be read any number of times.

    ``output`` of its rows is only a wish, and that files exist is not checked: the manifest does both.
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The header, empty for listings."""

    @property
    def digest(self) -> str:
        """Identifies what it holds."""

    @property
    def ignored(self) -> int:
        """How many files of the listing are not images."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the merchant should know about how it was read."""

    def rows(self) -> Iterator[ManifestRow]:
        """Read all rows, in an order that is always the same."""


class Manifest:
    """What ``open_manifest`` returns.

    ``name``         what messages call it.
    ``columns``      the header of the input, empty for listings.
    ``fingerprint``  identifies paths and content, so that an interrupted submission can be resumed.
    ``ignored``      how many listed files are not images.
    ``notes``        sentences for the merchant: an encoding that was guessed, files ignored.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        names = [part.name for part in parts]
        self.name = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        self.columns = tuple(dict.fromkeys(column for part in parts for column in part.columns))
        self.ignored = sum(part.ignored for part in parts)
        self.notes = tuple(note for part in parts for note in part.notes)
        self.fingerprint = hashlib.sha256("\n".join(part.digest for part in parts).encode()).hexdigest()

    def rows(self, skip: int = 0) -> Iterator[ManifestRow]:
        """Read the rows after the first ``skip``, numbered and named as in a full read.

        Skipped rows are read too, for their names, but their files are not looked at. Raises
        ManifestError naming the line where a file breaks off; the rows before it are good.
        Memory: see OutputNames.
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
