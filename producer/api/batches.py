"""Routes for batches: submit, watch, control, results."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Header, Query, Response, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel

from producer.api.access import Asking, Caller, ForCallers
from producer.api.job_query import JobQuery
from producer.api.submissions import ManifestOptions, NewBatch, order_of_file, order_of_new
from producer.api.words import KEY
from producer.dry_run import Rehearsal, rehearse
from producer.output.export import batch_results
from producer.output.names import ERRORS_CSV, RESULTS_CSV
from producer.output.results import write_results
from producer.output.summary import as_json
from producer.submit import Order, submit_batch
from producer.uploaded_files import mark_used
from shared.errors import NotFound
from shared.queue import actions, batches, jobs
from shared.queue.batches import Batch
from shared.queue.job_search import search_jobs

UPLOADS = "/batches/manifest"

router = APIRouter(prefix="/v1", tags=["batches"], route_class=ForCallers)

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY,
        description="A request repeated with the same key, however late, returns the same batch; other images or looks "
        "are refused (409). Without a key the same images return the same batch while it runs.",
    ),
]

ValidateOnly = Annotated[
    bool, Query(description="Make nothing: answer (200) what would happen, with the rows that would fail.")
]


class BatchOut(BaseModel):
    """A batch in numbers. ``reused`` is counted inside ``succeeded``; ``notice``: why it ended early, if it did.

    ``unpublished`` counts files of succeeded images that break a rule of their preset.
    """

    batch: str
    name: str
    queue: str
    notice: str | None
    state: str
    paused: bool
    total: int
    succeeded: int
    failed: int
    reused: int
    cancelled: int
    seconds: float
    images_per_second: float
    unpublished: int


class Accepted(BatchOut):
    """Accepted batch. ``resumed``: it existed already. ``proof``: the one that it waits for, or waited for."""

    resumed: bool
    proof: int | None
    warnings: list[str]


class BatchPage(BaseModel):
    """Batches, newest first; ``before`` is the cursor of the next page, if there is one."""

    batches: list[BatchOut]
    before: str | None


class Rule(BaseModel):
    """Rule of a channel, and what was found. ``passed`` is null for what cannot be measured and for mere advice."""

    rule: str
    required: str
    found: str
    passed: bool | None


class Report(BaseModel):
    """How a rendition keeps the rules of its preset."""

    passed: bool
    rules: list[Rule]


class JobOut(BaseModel):
    """Image of a batch, and its result.

    ``renditions`` are paths of this API by preset, and ``quality`` the figures of the first. ``reports`` say by preset
    how a rendition keeps its channel's rules. One that breaks a rule has no path.
    """

    ordinal: int
    line: int
    sku: str
    image: str
    style: str
    strength: float
    product_strength: float | None
    protect: str
    background: str
    state: str
    reused: bool
    code: str | None
    message: str | None
    retryable: bool
    width: int | None
    height: int | None
    quality: dict[str, float] | None
    renditions: dict[str, str]
    reports: dict[str, Report]


class Jobs(BaseModel):
    """Images of a batch in order; ``after`` is the cursor of the next page."""

    jobs: list[JobOut]
    after: int | None


@router.post("/batches", status_code=201)
def create(
    asking: Asking, new: NewBatch, response: Response, key: Key = None, validate_only: ValidateOnly = False
) -> Accepted | Rehearsal:
    """Submit images that are named in the request, or uploads."""
    with order_of_new(asking, new, key) as order:
        if validate_only:
            return _rehearsed(asking, order, response)
        accepted = _accepted(asking, order, response)
    mark_used(asking.session, asking.actor, new.used_uploads)
    return accepted


@router.post(UPLOADS, status_code=201, form_limits={"max_files": 1, "max_fields": 128, "max_part_size": 4096})
def upload(
    asking: Asking,
    manifest: UploadFile,
    options: Annotated[ManifestOptions, Form()],
    response: Response,
    key: Key = None,
    validate_only: ValidateOnly = False,
) -> Accepted | Rehearsal:
    """Upload a manifest (CSV, JSON, XML), or a ZIP archive of images, as a file."""
    with order_of_file(asking, options, manifest, key) as order:
        if validate_only:
            return _rehearsed(asking, order, response)
        return _accepted(asking, order, response)


def _rehearsed(asking: Caller, order: Order, response: Response) -> Rehearsal:
    response.status_code = 200
    return rehearse(asking.session, order)


def _accepted(asking: Caller, order: Order, response: Response) -> Accepted:
    done = submit_batch(asking.session, order)
    response.headers["Location"] = f"/v1/batches/{done.batch.id}"
    if done.resumed:
        response.status_code = 200
    proof = None if done.proof is None else done.proof.id
    return Accepted(**as_json(done.batch), resumed=done.resumed, proof=proof, warnings=list(done.warnings))


@router.get("/batches")
def listed(asking: Asking, before: str | None = None, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> BatchPage:
    """List batches, newest first."""
    with asking.transaction() as connection:
        oldest = batches.find_batch(connection, asking.merchant_id, before).id if before is not None else None
        found = batches.list_batches(connection, asking.merchant_id, limit=limit, before=oldest)
    return BatchPage(
        batches=[BatchOut(**as_json(one)) for one in found],
        before=str(found[-1].id) if len(found) == limit else None,
    )


@router.get("/batches/{batch}")
def status(asking: Asking, batch: str) -> BatchOut:
    """Show a batch."""
    return BatchOut(**as_json(_find(asking, batch)))


@router.post("/batches/{batch}/{action}")
def steer(asking: Asking, batch: str, action: Literal["cancel", "pause", "resume", "retry"]) -> BatchOut:
    """Cancel, pause or resume a batch, or retry its failed images."""
    engine, broker, actor = asking.session.engine, asking.session.broker, asking.actor
    match action:
        case "cancel":
            changed = actions.cancel_batch(engine, actor, batch)
        case "pause":
            changed = actions.pause_batch(engine, actor, batch)
        case "resume":
            changed = actions.resume_batch(engine, broker, actor, batch).batch
        case "retry":
            changed = actions.retry_batch(engine, broker, actor, batch).batch
    return BatchOut(**as_json(changed))


@router.get("/batches/{batch}/jobs")
def images(
    asking: Asking,
    batch: str,
    wanted: Annotated[JobQuery, Depends()],
    after: Annotated[int, Query(ge=-1, le=2**31 - 2)] = -1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Jobs:
    """List a batch's images in order, all or those that a filter admits, with their results."""
    with asking.transaction() as connection:
        found = batches.find_batch(connection, asking.merchant_id, batch)
        results, following = search_jobs(connection, found, wanted.filter, after=after, limit=limit)
    page: dict[int, JobOut] = {}
    for one in results:
        job = page.setdefault(one.ordinal, _job(found, one))
        if one.preset is not None and one.report is not None:
            job.reports[one.preset] = Report.model_validate(one.report.to_json())
        if one.preset is not None and one.is_published:
            job.renditions[one.preset] = _path_of_rendition(found, one)
    return Jobs(jobs=list(page.values()), after=following)


@router.get("/batches/{batch}/{table}.csv", response_class=FileResponse)
def table(asking: Asking, batch: str, table: Literal["results", "errors"], later: BackgroundTasks) -> FileResponse:
    """Give results.csv or errors.csv, which can be corrected and submitted again."""
    found = _find(asking, batch)
    folder = tempfile.TemporaryDirectory(prefix="atelier-table-")
    later.add_task(folder.cleanup)
    try:
        results = batch_results(asking.session, found, address=lambda job: _path_of_rendition(found, job))
        write_results(Path(folder.name), results, found.input_columns)
        path = Path(folder.name) / {"results": RESULTS_CSV, "errors": ERRORS_CSV}[table]
        if not path.exists():
            raise NotFound(f"no image of batch {found.id} has failed")
    except BaseException:
        folder.cleanup()
        raise
    return FileResponse(path, media_type="text/csv; charset=utf-8", filename=f"{table}.csv", background=later)


def _find(asking: Caller, batch: str) -> Batch:
    with asking.transaction() as connection:
        return batches.find_batch(connection, asking.merchant_id, batch)


def _path_of_rendition(batch: Batch, job: jobs.JobResult) -> str:
    return f"/v1/batches/{batch.id}/jobs/{job.ordinal}/renditions/{job.preset}"


def _job(batch: Batch, found: jobs.JobResult) -> JobOut:
    return JobOut(
        ordinal=found.ordinal,
        line=found.line,
        sku=found.sku,
        image=found.image,
        style=found.look.style,
        strength=found.look.strength,
        product_strength=found.look.product_strength,
        protect=found.look.protection,
        background=found.look.background,
        state=found.state,
        reused=found.reused,
        code=found.code,
        message=found.message,
        retryable=found.retryable,
        width=found.width,
        height=found.height,
        quality=found.quality,
        renditions={},
        reports={},
    )
