"""Names of the files that a merchant gets: after the sku, or after the photo.

Both are unique in a batch, safe on every file system, and the same in every run of the same input. What has been named
lies in a temporary SQLite file, so that a million skus take no memory.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from producer.jobs_from_rows import folder_of
from producer.manifest.outputs import OutputNames
from producer.output.names import BY_SKU, usual_names
from shared.queue.batches import Batch
from shared.queue.jobs import JobResult
from shared.queue.queues import QueueName


class Named(NamedTuple):
    """Position of a picture among those of its sku, from 1, and the name of its rendition without extension."""

    position: int
    name: str


class RenditionNames:
    """Names the renditions of one batch. Give it all jobs in their order, failed ones too: positions count them."""

    def __init__(self, by: str) -> None:
        self._by_sku = by == BY_SKU
        self._taken = OutputNames()
        self._place: tuple[int, str, str] | None = None
        self._position = 0
        # An empty name is a temporary file, which SQLite removes. A web server continues a stream in any thread.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("CREATE TABLE positions (sku TEXT PRIMARY KEY, position INT) WITHOUT ROWID")

    def name(self, place: tuple[int, str, str], style: str, output: str, position: int | None = None) -> Named:
        """Return the name of a picture in a style. ``place`` is its line, its address and its sku.

        ``style`` stands for the look, as ``folder_of`` returns it, and ``output`` is its name after the photo.
        ``position`` is given where it is known; otherwise it is counted.
        """
        if place != self._place:
            self._place = place
            self._position = self._next_position(place[2]) if position is None else position
        if not self._by_sku:
            return Named(self._position, output)
        sku = place[2].replace("/", "-").replace("\\", "-").strip(" .") or "picture"
        return Named(self._position, self._taken.claim(f"{sku}-{self._position}-{style}"))

    def _next_position(self, sku: str) -> int:
        row = self._database.execute(
            "INSERT INTO positions VALUES (?, 1)"
            " ON CONFLICT (sku) DO UPDATE SET position = position + 1 RETURNING position",
            (sku,),
        ).fetchone()
        return int(row[0])


class BatchNames:
    """Names the renditions of a stored batch, given the results of its jobs in order.

    ``knows_positions``: its input says the position of each picture, as that of a night does.
    """

    def __init__(self, by: str, *, knows_positions: bool = False) -> None:
        self._names = RenditionNames(by)
        self._knows_positions = knows_positions
        self._last: tuple[int, Named] | None = None

    @classmethod
    def of(cls, batch: Batch, by: str | None = None) -> BatchNames:
        """Return the names of a batch, by default as is usual for its input."""
        return cls(by or usual_names(batch.input_columns), knows_positions=batch.queue == QueueName.NIGHTLY)

    def name(self, job: JobResult) -> Named:
        """Return the name of a job's renditions, which differ in their extensions only."""
        if self._last is None or self._last[0] != job.ordinal:
            known = job.input.get("position", "") if self._knows_positions else ""
            position = int(known) if known.isdecimal() else None
            place = (job.line, job.image, job.sku)
            self._last = job.ordinal, self._names.name(place, folder_of(job.look), job.output, position)
        return self._last[1]
