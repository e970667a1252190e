"""One picture of a manifest as a manifest of its own, for a preview."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice

from producer.manifest.manifest import Manifest
from producer.manifest.row import ManifestRow

_MOST_ROWS = 10_000
"""Rows among which pictures for previews are looked for."""


def one_picture(manifest: Manifest, number: int) -> Manifest:
    """Return the picture of a number, counted from 0, among those of a manifest's valid rows.

    Each picture counts once. There are no rows where the manifest has fewer pictures.
    """
    return Manifest([_OnePicture(manifest, number)])


class _OnePicture:
    columns = ()
    ignored = 0
    notes = ()

    def __init__(self, manifest: Manifest, number: int) -> None:
        self._manifest, self._number = manifest, number
        self.name, self.format = manifest.name, manifest.format
        self.digest = hashlib.sha256(f"{manifest.fingerprint}\0{number}".encode()).hexdigest()

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the row of the picture, without a look of its own: the preview shows the one that is tried."""
        seen: set[str] = set()
        for row in islice(self._manifest.rows(), _MOST_ROWS):
            if row.error is None and row.source not in seen:
                seen.add(row.source)
                if len(seen) > self._number:
                    yield row._replace(style=None, strength=None, protect=None, background=None, columns={})
                    return
