"""Names and addresses of a batch's renditions, by the places in its feed where their pictures are named.

They lie in a temporary SQLite file, so that a million of them take no memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from producer.jobs_from_rows import folder_of
from producer.manifest.columns import Columns, first_filled
from producer.manifest.outputs import OutputNames
from producer.manifest.platforms import Platform
from shared.presets import DEFAULT_PRESETS, output_name
from shared.queue.jobs import JobResult

BY_SKU = "sku"
BY_SOURCE = "source"
NAMES = (BY_SKU, BY_SOURCE)
"""How renditions are named: ``SKU-POSITION-style.jpg``, or as their sources, as `download` writes them."""


class NamedRendition(NamedTuple):
    """A rendition, and the name under which its merchant serves it."""

    name: str
    object_key: str


@dataclass(frozen=True)
class FeedFiles:
    """Which file of a picture a feed names: the first of the ``labels`` that is published, any if none is named.

    ``presets`` are those of the batch, by which `download` names files.
    """

    labels: Sequence[str] = ()
    presets: Sequence[str] = DEFAULT_PRESETS

    def choose(self, files: Sequence[JobResult]) -> JobResult | None:
        """Return one of the files of a job, or None."""
        published = {job.preset or "": job for job in files if job.is_published}
        labels = self.labels or tuple(published)
        return next((published[label] for label in labels if label in published), None)


class PictureLinks:
    """Maps the pictures of a feed to the addresses of their renditions in the first look.

    ``platform`` is the one that the merchant named, which says what the columns of the feed mean. ``files`` says which
    of a picture's files the feed names.
    """

    def __init__(
        self, base_url: str, names: str = BY_SKU, platform: Platform | None = None, files: FeedFiles | None = None
    ) -> None:
        self._files = files or FeedFiles()
        self._platform = platform
        self._base = base_url if base_url.endswith(("/", "=")) else f"{base_url}/"
        self._by_sku = names == BY_SKU
        self._outputs = OutputNames()
        self._place: tuple[int, str, str] | None = None
        self._position = 0
        # An empty name is a temporary file, which SQLite removes.
        self._database = sqlite3.connect("")
        self._database.executescript(
            """
            CREATE TABLE links (address TEXT, line INT, name TEXT, object_key TEXT);
            CREATE TABLE positions (sku TEXT PRIMARY KEY, position INT) WITHOUT ROWID;
            """
        )
        self._columns: dict[tuple[str, ...], Columns] = {}

    def add(self, results: Iterable[JobResult]) -> None:
        """Add the jobs of a batch, in order. Positions count failed pictures too, so that names are stable."""
        for _, group in groupby(results, key=lambda job: job.ordinal):
            files = list(group)
            job = self._files.choose(files) or files[0]
            address = self._address(job.input)
            place = (job.line, address, job.sku)
            is_further_look = place == self._place
            if not is_further_look:
                self._place, self._position = place, self._next_position(job.sku)
            name = self._name(job)
            if self._files.choose(files) is not None and not is_further_look:
                values = (address, job.line, name, job.object_key)
                self._database.execute("INSERT INTO links VALUES (?, ?, ?, ?)", values)
        self._database.execute("CREATE INDEX IF NOT EXISTS by_address ON links (address, line)")

    def find(self, line: int, address: str) -> str | None:
        """Return the new address of a picture: of the record in this line, else of any other; None if it has none."""
        row = self._database.execute(
            "SELECT name FROM links WHERE address = ? ORDER BY line <> ?, line LIMIT 1", (address, line)
        ).fetchone()
        return None if row is None else self._base + quote(row[0])

    def renditions(self) -> Iterable[NamedRendition]:
        """Yield the renditions that the feed may name."""
        for name, key in self._database.execute("SELECT name, object_key FROM links ORDER BY rowid"):
            yield NamedRendition(name, key)

    def _address(self, values: dict[str, str]) -> str:
        keys = tuple(values)
        if keys not in self._columns:
            if len(self._columns) > 1000:
                self._columns.clear()
            self._columns[keys] = Columns.among(keys, self._platform)
        columns = self._columns[keys]
        return first_filled(values, (*columns.images, *columns.further))

    def _next_position(self, sku: str) -> int:
        row = self._database.execute(
            "INSERT INTO positions VALUES (?, 1)"
            " ON CONFLICT (sku) DO UPDATE SET position = position + 1 RETURNING position",
            (sku,),
        ).fetchone()
        return int(row[0])

    def _name(self, job: JobResult) -> str:
        extension = PurePosixPath(job.object_key or ".jpg").suffix or ".jpg"
        if not self._by_sku:
            return output_name(job.output, job.preset or "", extension, self._files.presets)
        sku = job.sku.replace("/", "-").replace("\\", "-").strip(" .") or "picture"
        return self._outputs.claim(f"{sku}-{self._position}-{folder_of(job.look)}") + extension
