"""Read the rows of a manifest in pages, which become jobs and chunks in one transaction each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from producer.manifest import ManifestRow
from producer.source_intake import Intake, Taken
from shared.errors import InvalidInput, ManifestError
from shared.look import Look, LookChanges
from shared.merchants.backgrounds import settle_background
from shared.models.default_protection import settle_protection
from shared.models.styles import StyleRow, require_styles
from shared.queue.jobs import NewJob

PAGE_JOBS = 10_000
PAGE_SECONDS = 1.0
"""Longest time to fill a page, so that work begins while files are still taken in."""

ROWS_AHEAD = 64
"""Rows whose files may be in transfer to the store at once, so that a large file does not delay the others."""

LOOKS_KEPT = 1024

RowLooks = Callable[[LookChanges], Sequence[tuple[Look, str]]]
"""Maps what a row says of its look to its looks, each with the folder of its renditions (empty, or ``folder/``)."""


class Arrival(NamedTuple):
    """Row whose source is being taken in, or the reason why it is not. Without ``looks`` it has those of the batch."""

    row: ManifestRow
    looks: Sequence[tuple[Look, str]]
    source: Taken | Future[Taken] | InvalidInput

    @property
    def is_here(self) -> bool:
        """Return whether its source is ready."""
        return not isinstance(self.source, Future) or self.source.done()


@dataclass
class RowPage:
    """Rows that are stored in one transaction."""

    rows: int = 0
    jobs: list[NewJob] = field(default_factory=list)
    opened: float = field(default_factory=time.monotonic)

    @property
    def full(self) -> bool:
        """Return whether the page is due to be committed."""
        return len(self.jobs) >= PAGE_JOBS or time.monotonic() - self.opened > PAGE_SECONDS

    def take(self, arrival: Arrival, ordinal: int, looks: RowLooks) -> None:
        """Add a row's jobs, one per look, starting with this ordinal. A bad row gives failed jobs."""
        row, own_looks, taken = arrival
        if isinstance(taken, Future):
            try:
                taken = taken.result()
            except InvalidInput as refused:
                taken = refused
        code = message = None
        if isinstance(taken, InvalidInput):
            code, message, taken = taken.code, str(taken), Taken("", 0)
        source, pixels = taken
        for number, (look, folder) in enumerate(own_looks or looks(LookChanges()), ordinal):
            output = folder + row.output
            self.jobs.append(
                NewJob(number, row.line, row.sku, row.image, source, output, look, row.columns, code, message, pixels)
            )
        self.rows += 1


def read_pages(rows: Iterator[ManifestRow], looks: RowLooks, intake: Intake, first: int) -> Iterator[RowPage]:
    """Yield pages of jobs from a manifest, with ordinals from ``first`` on.

    Where the manifest breaks off, the incomplete page is yielded before the ManifestError is raised.
    """
    page, ordinal = RowPage(), first
    try:
        for arrival in arrivals(rows, looks, intake):
            page.take(arrival, ordinal, looks)
            ordinal = page.jobs[-1].ordinal + 1
            if page.full:
                intake.sync()
                yield page
                page = RowPage()
    except ManifestError:
        if page.rows:
            intake.sync()
            yield page
        raise
    if page.rows:
        intake.sync()
        yield page


def arrivals(rows: Iterator[ManifestRow], looks: RowLooks, intake: Intake) -> Iterator[Arrival]:
    """Yield rows in order, while the files of the following ones are taken in.

    Where the manifest breaks off, the rows read ahead are yielded before the ManifestError is raised.
    """
    ahead: deque[Arrival] = deque()
    try:
        for row in rows:
            ahead.append(_begun(row, looks, intake))
            while ahead and (ahead[0].is_here or len(ahead) > ROWS_AHEAD):
                yield ahead.popleft()
    except ManifestError:
        yield from ahead
        raise
    yield from ahead


def _begun(row: ManifestRow, looks: RowLooks, intake: Intake) -> Arrival:
    """Begin to take in a row's source, if the row is valid."""
    own_looks: Sequence[tuple[Look, str]] = ()
    if row.error is not None:
        return Arrival(row, own_looks, row.error)
    try:
        own_looks = looks(row.look)
        return Arrival(row, own_looks, intake.begin(row.source))
    except InvalidInput as refused:
        return Arrival(row, own_looks, refused)


def read_ahead(pages: Iterator[RowPage]) -> Generator[RowPage]:
    """Yield each page while a thread reads the next, so that Postgres and Python work at the same time."""
    with ThreadPoolExecutor(1, "read-ahead") as reader:
        coming = reader.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = reader.submit(next, pages, None)
            yield page


def row_looks(looks: Sequence[Look], known_styles: Mapping[str, StyleRow], pictures: Mapping[str, str]) -> RowLooks:
    """Return the function that finds the looks of a row: those of the batch, or one for a row with its own style.

    ``pictures`` are the merchant's backgrounds, by name. It raises InvalidInput if the row's style is not valid, or its
    background is unknown. Results are cached, since most rows are alike.
    """

    @lru_cache(maxsize=LOOKS_KEPT)
    def find(changes: LookChanges) -> Sequence[tuple[Look, str]]:
        own_looks = looks_of_row(changes, looks)
        require_styles((name for look in own_looks for name in look.styles), known_styles)
        return [
            (
                settle_background(settle_protection(look, known_styles), pictures),
                "" if len(looks) == 1 else f"{folder_of(look)}/",
            )
            for look in own_looks
        ]

    return find


def looks_of_row(changes: LookChanges, looks: Sequence[Look]) -> list[Look]:
    """Return the looks of a row: those of the batch, changed by the row's own values.

    A row with its own style has one look, whatever the number of the batch's.
    """
    return [changes.applied(look) for look in (looks[:1] if changes.style else looks)]


def folder_of(look: Look) -> str:
    """Return the folder of a look's renditions in a batch with several looks.

    The looks of a batch differ only in their mix, so the folder is named after the mix with its weights.
    """
    return "+".join(look.style.replace(":", "-").split(","))
