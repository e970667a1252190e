"""Addresses of renditions, by the places in a feed where their pictures are named.

They lie in a temporary SQLite file, so that a million of them take no memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from producer.manifest.columns import Columns, first_filled
from producer.manifest.platforms import Platform
from producer.manifest.row import ManifestRow
from producer.output.names import BY_SKU
from producer.output.rendition_names import BatchNames, RenditionNames
from shared.preset_files import output_name
from shared.presets import DEFAULT_PRESETS
from shared.queue.jobs import JobResult


class NamedRendition(NamedTuple):
    """A rendition, and the name under which its merchant serves it."""

    name: str
    object_key: str


class Shown(NamedTuple):
    """Rendition that a catalogue shows of a picture. ``style`` is what its name says."""

    position: int
    style: str
    preset: str
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


Address = Callable[[NamedRendition], str]
"""Returns the address under which a rendition is served."""


def below(base_url: str) -> Address:
    """Return the addresses of renditions that are served below a base URL, under their names."""
    base = base_url if base_url.endswith(("/", "=")) else f"{base_url}/"
    return lambda rendition: base + quote(rendition.name)


class PictureLinks:
    """Maps the pictures of a feed to the addresses of their renditions: those in the first look and format.

    ``platform`` is the one that the merchant named, which says what the columns of the feed mean. With ``first_only``
    only the first picture of each sku has an address.
    """

    def __init__(self, address: Address, platform: Platform | None = None, *, first_only: bool = False) -> None:
        self._address = address
        self._platform = platform
        self._first_only = first_only
        self._place: tuple[int, str, str] | None = None
        self._columns: dict[tuple[str, ...], Columns] = {}
        self._database = sqlite3.connect("")  # an empty name is a temporary file, which SQLite removes
        self._database.execute("CREATE TABLE links (address TEXT, line INT, name TEXT, object_key TEXT)")

    def add(self, results: Iterable[JobResult], names: BatchNames, files: FeedFiles | None = None) -> None:
        """Add the jobs of a batch, in order, failed ones too, whose places in the order count."""
        files = files or FeedFiles()
        for _, group in groupby(results, key=lambda job: job.ordinal):
            own = list(group)
            job, chosen, named = own[0], files.choose(own), names.name(own[0])
            place = (job.line, job.image, job.sku)
            is_further_look = place == self._place
            self._place = place
            if chosen is not None and chosen.object_key is not None and not is_further_look:
                name = output_name(named.name, chosen.preset or "", _extension(chosen.object_key), files.presets)
                self._add(job.input, job.line, named.position, NamedRendition(name, chosen.object_key))
        self._index()

    def add_shown(self, rows: Iterable[ManifestRow], shown: Callable[[ManifestRow], Shown | None]) -> None:
        """Add what a catalogue shows of the rows of its feed, named after the position in the catalogue."""
        names, counted = RenditionNames(BY_SKU), RenditionNames(BY_SKU)
        for row in rows:
            picture = shown(row)
            if picture is None:
                continue
            place = (row.line, row.image, row.sku)
            named = names.name(place, picture.style, row.output, picture.position)
            number = counted.name(place, picture.style, row.output).position
            name = named.name + _extension(picture.object_key)
            self._add(row.columns, row.line, number, NamedRendition(name, picture.object_key))
        self._index()

    def find(self, line: int, address: str) -> str | None:
        """Return the new address of a picture: of the record in this line, else of any other; None if it has none."""
        row = self._database.execute(
            "SELECT name, object_key FROM links WHERE address = ? ORDER BY line <> ?, line LIMIT 1", (address, line)
        ).fetchone()
        return None if row is None else self._address(NamedRendition(*row))

    def renditions(self) -> Iterator[NamedRendition]:
        """Yield the renditions that the feed may name."""
        for row in self._database.execute("SELECT name, object_key FROM links ORDER BY rowid"):
            yield NamedRendition(*row)

    def _add(self, values: dict[str, str], line: int, number: int, rendition: NamedRendition) -> None:
        if self._first_only and number != 1:
            return
        keys = tuple(values)
        if keys not in self._columns:
            if len(self._columns) > 1000:
                self._columns.clear()
            self._columns[keys] = Columns.among(keys, self._platform)
        columns = self._columns[keys]
        address = first_filled(values, (*columns.images, *columns.further))
        self._database.execute("INSERT INTO links VALUES (?, ?, ?, ?)", (address, line, *rendition))

    def _index(self) -> None:
        self._database.execute("CREATE INDEX IF NOT EXISTS by_address ON links (address, line)")


def _extension(object_key: str) -> str:
    """Return the extension of a rendition's file, which its object has, too."""
    return PurePosixPath(object_key).suffix or ".jpg"
