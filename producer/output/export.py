"""Writing a batch to a folder: renditions under their sources' paths, results, errors, gallery."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from producer.output.gallery import write_gallery
from producer.output.names import ERRORS_CSV, GALLERY_HTML, RESULTS_CSV, RULES_CSV
from producer.output.out_folder import OutFolder, Target
from producer.output.rendition_names import BatchNames, Named
from producer.output.results import Result, write_results
from producer.output.summary import summarise
from producer.source_intake import local_path
from shared.context import Session
from shared.database import transaction
from shared.errors import MissingObject, Unavailable
from shared.preset_files import output_name
from shared.presets import UNPUBLISHED
from shared.queue.batches import Batch
from shared.queue.jobs import RESULTS_PAGE, JobResult, results_between
from shared.store import ObjectStore


def export_batch(session: Session, batch: Batch, out: Path, names: str | None = None) -> Path:
    """Write what there is of a batch to ``out`` and return the gallery's path. ``names`` is one of ``NAMES``.

    Files are written whole or not at all. Raises UsageError where the folder cannot be written, and
    before anything is written where a file would take the place of one that Atelier did not write.
    """
    folder = OutFolder(out)
    if not folder.is_empty:
        folder.require_free(_targets(session, batch, names))
    with folder.writing(RESULTS_CSV, ERRORS_CSV, RULES_CSV):
        write_results(out, _export_files(session, batch, folder, names), batch.input_columns)
    with folder.writing(GALLERY_HTML):
        return write_gallery(out, batch_results(session, batch, names), title=batch.name, summary=summarise(batch))


def _targets(session: Session, batch: Batch, names: str | None) -> Iterator[Target]:
    for result, found in results_with_jobs(session, batch, names):
        if found.object_key is not None and result.output is not None:
            yield Target(result.output, PurePosixPath(found.object_key).stem, result.source_path)


def _export_files(session: Session, batch: Batch, folder: OutFolder, names: str | None) -> Iterator[Result]:
    for result, found in results_with_jobs(session, batch, names):
        if found.object_key is not None and result.output is not None:
            folder.write(result.output, read_rendition(session.store, found.object_key))
        yield result


def batch_results(
    session: Session, batch: Batch, names: str | None = None, address: Callable[[JobResult], str] | None = None
) -> Iterator[Result]:
    """Yield what became of each job of a batch, a page at a time.

    ``address`` returns the address of a rendition; by default it is where the store has it.
    """
    return (result for result, _ in results_with_jobs(session, batch, names, address))


def results_with_jobs(
    session: Session, batch: Batch, names: str | None, address: Callable[[JobResult], str] | None = None
) -> Iterator[tuple[Result, JobResult]]:
    """Yield what became of each job beside the row it comes from, a page at a time, named as ``names`` says."""
    named = BatchNames.of(batch, names)

    def stored(job: JobResult) -> str:
        return f"{session.store.url}/{job.object_key}"

    for job in job_results(session, batch):
        result = _result(job, named.name(job), batch.presets)
        yield (replace(result, address=(address or stored)(job)) if job.is_published else result), job


def job_results(session: Session, batch: Batch) -> Iterator[JobResult]:
    """Yield the jobs of a batch in order. Each page is a transaction: whoever reads slowly holds none."""
    for first in range(0, batch.total, RESULTS_PAGE):
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            page = results_between(connection, batch.id, first, first + RESULTS_PAGE - 1)
        yield from page


def _result(found: JobResult, named: Named, presets: Sequence[str]) -> Result:
    suffix = Path(found.object_key).suffix if found.object_key else ""
    source = local_path(found.image)
    return Result(
        ordinal=found.ordinal,
        line=found.line,
        sku=found.sku,
        source=_shown(source, found.image),
        style=found.look.style,
        strength=found.look.strengths,
        protect=found.look.protection,
        background=_background(found),
        state=found.state,
        output=_output(found, named, suffix, presets) if found.object_key else None,
        width=found.width,
        height=found.height,
        quality=found.quality or {},
        reused=found.reused,
        code=found.code,
        message=found.message,
        retryable=found.retryable,
        columns=found.input,
        source_path=source,
        preset=found.preset,
        report=found.report,
        position=named.position,
        bytes=found.bytes,
    )


def _output(found: JobResult, named: Named, suffix: str, presets: Sequence[str]) -> str:
    """Return the path of a rendition in the out folder: apart from the others if it breaks a rule of its preset."""
    path = output_name(named.name, found.preset or "", suffix, presets)
    return path if found.is_published else f"{UNPUBLISHED}/{path}"


def _shown(path: Path | None, url: str) -> str:
    """Name a source as a merchant would, but so that errors.csv can be submitted again.

    A name with control characters, or that is not UTF-8, survives only as an URL.
    """
    return str(path) if path is not None and str(path).isprintable() else url


def read_rendition(store: ObjectStore, key: str) -> bytes:
    """Return the bytes of a stored rendition, checked to be those its key names.

    They are copied, never linked: a merchant who edits the file must not change the stored rendition.
    """
    try:
        data = store.get(key)
    except MissingObject as error:
        raise Unavailable(
            f"the stored rendition {key} is gone: submit its image again, and it is made anew, or bring it back from a "
            "copy of the store"
        ) from error
    if hashlib.sha256(data).hexdigest() not in key:
        raise Unavailable(f"the stored rendition {key} is damaged: bring it back from a copy of the store")
    return data


def _background(found: JobResult) -> str:
    """Return the background of a result: the look's, or ``keep`` where no product was found and the photo's stayed."""
    stayed = (found.quality or {}).get("background") == 0
    return "keep" if stayed else found.look.background or "keep"
