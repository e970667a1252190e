"""Submission: a manifest becomes a batch of jobs and chunks, page by page.

Each page is one transaction, and its chunks may run as soon as it is committed. The batch is
``receiving`` until the manifest has ended; an interrupted submission of the same input goes on at
its last row.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from producer.intake import Intake
from producer.manifest import Manifest, ManifestRow
from shared import batches
from shared.batches import Batch, NewBatch
from shared.chunks import NewChunk, add_chunks
from shared.database import transaction
from shared.dispatch import dispatch
from shared.errors import BrokerUnavailable, InvalidInput, ManifestError
from shared.jobs import NewJob, add_jobs
from shared.look import Look, parse_mix
from shared.merchants import allowed_sources, merchant_id
from shared.model_versions import champion
from shared.session import Session
from shared.styles import require_styles, style_rows

PAGE_ROWS = 10_000
PAGE_SECONDS = 1.0
"""A page is committed at the latest after this time, so that work begins while files are still taken in."""

CHUNK_JOBS = 64


@dataclass(frozen=True)
class Order:
    """What a merchant asks for: a manifest in one or several looks, written in some formats."""

    merchant: str
    manifest: Manifest
    looks: tuple[Look, ...]
    presets: tuple[str, ...] = ("jpeg",)
    queue: str = "bulk"

    @property
    def fingerprint(self) -> str:
        """Identifies input and looks, so that the same order goes on where it was interrupted."""
        parts = [self.manifest.fingerprint, [look.to_json() for look in self.looks], self.presets, self.queue]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Submission:
    """An accepted batch; ``resumed`` if it had been begun before; ``warnings`` for the merchant."""

    batch: Batch
    resumed: bool
    warnings: tuple[str, ...] = ()


@dataclass
class Page:
    """Rows on their way into one transaction."""

    rows: int = 0
    jobs: list[NewJob] = field(default_factory=list)
    pixels: list[int] = field(default_factory=list)
    opened: float = field(default_factory=time.monotonic)

    @property
    def full(self) -> bool:
        """Whether it is time to commit."""
        return self.rows >= PAGE_ROWS or time.monotonic() - self.opened > PAGE_SECONDS


def submit_batch(session: Session, order: Order, *, accepted: Callable[[Batch], None] = lambda _: None) -> Submission:
    """Accept an order and enqueue its jobs; ``accepted`` is called after each page.

    A bad row becomes a failed job. A manifest that breaks off leaves the rows before it running.
    Raises UnknownStyle or ManifestError (no row at all) before anything is stored.
    """
    batch, resumed = _open_batch(session, order)
    if batch.intake == "sealed":
        return Submission(batch, resumed)
    warnings: list[str] = []
    with transaction(session.engine) as connection:
        allowed = allowed_sources(connection, batch.merchant_id)
    intake = Intake(session.store, batch.merchant_id, session.settings.max_image_mib * 2**20, allowed)
    rows = order.manifest.rows(skip=batch.rows_read)
    try:
        for page in _pages(rows, order, intake, batch):
            batch = _commit(session, batch, page)
            accepted(batch)
            warnings += nudge(session)
    except ManifestError as error:
        with transaction(session.engine) as connection:
            batch = batches.get_batch(connection, batch.id)
        if batch.rows_read == 0:
            raise
        warnings.append(f"the manifest breaks off, what came before is accepted: {error}")
    with transaction(session.engine) as connection:
        batch = batches.seal(connection, batch.id)
    return Submission(batch, resumed, tuple(dict.fromkeys(warnings)))


def _open_batch(session: Session, order: Order) -> tuple[Batch, bool]:
    """Return the unfinished batch of the same order, or a new one; and whether it is an old one."""
    with transaction(session.engine) as connection:
        merchant = merchant_id(connection, order.merchant)
        version = champion(connection)
        rows = style_rows(connection, merchant, version.trunk_sha256)
        require_styles((name for look in order.looks for name in look.styles), rows)
        if unfinished := batches.find_unfinished(connection, merchant, order.fingerprint):
            return unfinished, True
        new = NewBatch(
            merchant_id=merchant,
            name=order.manifest.name,
            queue=order.queue,
            look=order.looks[0],
            presets=order.presets,
            model_version_id=version.id,
            style_rows=rows,
            fingerprint=order.fingerprint,
            input_columns=order.manifest.columns,
        )
        return batches.create_batch(connection, new), False


def _pages(rows: Iterator[ManifestRow], order: Order, intake: Intake, batch: Batch) -> Iterator[Page]:
    """Cut the manifest into pages; where it breaks off, the page begun is yielded before the error."""
    page, ordinal = Page(), batch.total
    broken: ManifestError | None = None
    while True:
        try:
            row = next(rows, None)
        except ManifestError as error:
            row, broken = None, error
        if row is None:
            break
        for job, pixels in _jobs_of_row(row, order, intake, ordinal, batch.style_rows):
            page.jobs.append(job)
            page.pixels.append(pixels)
            ordinal += 1
        page.rows += 1
        if page.full:
            yield page
            page = Page()
    if page.rows:
        yield page
    if broken:
        raise broken


def _jobs_of_row(
    row: ManifestRow, order: Order, intake: Intake, ordinal: int, known_styles: Collection[str]
) -> Iterator[tuple[NewJob, int]]:
    """Yield a row's jobs, one per look, with their pixels; a bad row gives failed jobs."""
    error: InvalidInput | None = row.error
    source, pixels = "", 0
    looks: Sequence[Look] = order.looks
    try:
        if error is None:
            looks = looks_of_row(row, order.looks)
            require_styles((name for look in looks for name in look.styles), known_styles)
            taken = intake.take(row.source)
            source, pixels = taken.source, taken.pixels
    except InvalidInput as refused:
        error = refused
    for offset, look in enumerate(looks):
        output = row.output if len(looks) == 1 and len(order.looks) == 1 else f"{folder_of(look)}/{row.output}"
        job = NewJob(
            ordinal=ordinal + offset,
            line=row.line,
            sku=row.sku,
            image=row.image,
            source=source,
            output=output,
            look=look,
            input=row.columns,
            code=error.code if error else None,
            message=str(error) if error else None,
        )
        yield job, 0 if error else pixels


def looks_of_row(row: ManifestRow, looks: Sequence[Look]) -> Sequence[Look]:
    """Return the looks of a row: the batch's, changed by what the row itself says.

    A row with a style of its own has one look, whatever the number of the batch's.
    """
    base = looks[:1] if row.style else looks
    return [
        Look(
            mix=parse_mix(row.style) if row.style else look.mix,
            strength=look.strength if row.strength is None else row.strength,
            texture_scale=look.texture_scale,
            white=look.white,
        )
        for look in base
    ]


def folder_of(look: Look) -> str:
    """Name the folder of a look's renditions where a batch has several, each with a folder of its own.

    The looks of a batch differ in their mix alone, so a mix is named with its weights.
    """
    return "+".join(look.style.replace(":", "-").split(","))


def _commit(session: Session, batch: Batch, page: Page) -> Batch:
    """Store a page: its jobs, their chunks and the batch's counters, in one transaction."""
    failed = sum(job.code is not None for job in page.jobs)
    with transaction(session.engine) as connection:
        add_jobs(connection, batch.id, batch.merchant_id, page.jobs)
        add_chunks(
            connection,
            batch,
            cut_chunks(page, session.settings.chunk_megapixels, session.settings.working_px),
        )
        return batches.extend(connection, batch, rows=page.rows, jobs=len(page.jobs), failed=failed)


def cut_chunks(page: Page, megapixels: float, working_px: int) -> list[NewChunk]:
    """Cut a page's jobs into chunks of about ``megapixels`` of work at the generator's working size.

    Jobs that have failed already cost nothing; a run of only those makes no chunk.
    """
    chunks: list[NewChunk] = []
    first, work = page.jobs[0].ordinal, 0
    for job, pixels in zip(page.jobs, page.pixels, strict=True):
        work += min(pixels, working_px * working_px)
        last = job is page.jobs[-1]
        if work >= megapixels * 1e6 or job.ordinal - first + 1 >= CHUNK_JOBS or last:
            if work:
                chunks.append(NewChunk(first, job.ordinal, work))
            first, work = job.ordinal + 1, 0
    return chunks


def nudge(session: Session) -> list[str]:
    """Dispatch; return a warning where Redis is down: the work is safe in Postgres, and the sweep sends it later."""
    try:
        dispatch(session.engine, session.broker)
    except BrokerUnavailable as error:
        return [f"accepted, but the workers are told later: {error}"]
    return []
