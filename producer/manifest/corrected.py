"""A feed with other images in some of its rows: corrections that a merchant makes without editing the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from producer.manifest.manifest import Part
from producer.manifest.platforms import PLAIN, Platform
from producer.manifest.row import ManifestRow
from producer.manifest.source import Sources
from shared.errors import SourceRefused

CORRECTABLE = frozenset(
    ("missing_image", "image_not_found", "bad_source", "missing_scheme", "unsupported_source", "local_path_refused")
)
"""Codes of rows that another image would do for."""


class CorrectedPart:
    """Part of a manifest in which rows whose image cannot be had take another one, by their line in the file.

    Results and the feed that is given back keep what the file says.
    """

    def __init__(self, part: Part, sources: Sources, corrections: Mapping[int, str]) -> None:
        self._part, self._sources, self._corrections = part, sources, corrections
        self.name, self.columns, self.ignored = part.name, part.columns, part.ignored
        self.path: Path | None = getattr(part, "path", None)
        self.platform: Platform = getattr(part, "platform", PLAIN)
        said = "\0".join(f"{line}={text}" for line, text in sorted(corrections.items()))
        self.digest = hashlib.sha256(f"{part.digest}\0{said}".encode()).hexdigest()

    @property
    def format(self) -> str:
        """Return the name of the file's format."""
        return self._part.format

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the notes of the last reading."""
        return self._part.notes

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the rows."""
        for row in self._part.rows():
            text = self._corrections.get(row.line, "")
            yield (
                self._corrected(row, text) if text and row.error is not None and row.error.code in CORRECTABLE else row
            )

    def _corrected(self, row: ManifestRow, text: str) -> ManifestRow:
        try:
            return row._replace(source=self._sources.resolve(text), error=None)
        except SourceRefused as refused:
            return row._replace(error=refused)
