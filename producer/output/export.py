"""Writing a batch to a folder: renditions under their sources' paths, results, errors, gallery."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from producer.intake import local_path
from producer.output.gallery import write_gallery
from producer.output.results import Result, write_results
from producer.output.summary import summarise
from shared.context import Session
from shared.database import transaction
from shared.errors import MissingObject, Unavailable, UsageError
from shared.queue.batches import Batch
from shared.queue.jobs import RESULTS_PAGE, JobResult, results_between
from shared.store import ObjectStore


def prepare_folder(out: Path, inputs: tuple[str, ...] = ()) -> None:
    """Create the output folder and prove that it can be written, before any work is done.

    Raises UsageError if it cannot, or if it lies inside an input folder, where the next run would
    take its renditions for sources.
    """
    for name in inputs:
        if Path(name).is_dir() and out.resolve().is_relative_to(Path(name).resolve()):
            raise UsageError(f"--out {out} lies inside the input folder {name}: choose a folder outside it")
    probe = out / f".atelier-{secrets.token_hex(4)}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}", code="unwritable_output") from error


def export_batch(session: Session, batch: Batch, out: Path) -> Path:
    """Write what there is of a batch to ``out`` and return the gallery's path.

    Files are written whole or not at all. Raises UsageError where the folder cannot be written, and
    before anything is written where a rendition would take the place of its photo.
    """
    spare_sources(out, batch_results(session, batch))
    write_results(out, _export_files(session, batch, out), batch.input_columns)
    return write_gallery(out, batch_results(session, batch), title=batch.name, summary=summarise(batch))


def spare_sources(out: Path, found: Iterable[Result]) -> None:
    """Raise UsageError if a rendition, written to ``out``, would take the place of its own photo."""
    for result in found:
        source = result.source_path
        if source is not None and result.output is not None and _same_file(out / result.output, source):
            raise UsageError(
                f"--out {out} would overwrite the photo {source} with its rendition: choose another folder",
                code="overwrites_source",
            )


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False  # one of them does not exist, or cannot be looked at


def _export_files(session: Session, batch: Batch, out: Path) -> Iterator[Result]:
    for result, found in _pairs(session, batch):
        if found.object_key is not None and result.output is not None:
            _write(session.store, found.object_key, out / result.output)
        yield result


def batch_results(session: Session, batch: Batch) -> Iterator[Result]:
    """Yield what became of each job of a batch, a page at a time."""
    return (result for result, _ in _pairs(session, batch))


def _pairs(session: Session, batch: Batch) -> Iterator[tuple[Result, JobResult]]:
    """Yield results beside the rows they come from. Each page is a transaction: whoever reads slowly holds none."""
    for first in range(0, batch.total, RESULTS_PAGE):
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            page = results_between(connection, batch.id, first, first + RESULTS_PAGE - 1)
        for job in page:
            yield _result(job), job


def _result(found: JobResult) -> Result:
    suffix = Path(found.object_key).suffix if found.object_key else ""
    source = local_path(found.image)
    return Result(
        ordinal=found.ordinal,
        line=found.line,
        sku=found.sku,
        source=_shown(source, found.image),
        style=found.look.style,
        strength=found.look.strength,
        state=found.state,
        output=found.output + suffix if found.object_key else None,
        width=found.width,
        height=found.height,
        reused=found.reused,
        code=found.code,
        message=found.message,
        retryable=found.retryable,
        columns=found.input,
        source_path=source,
    )


def _shown(path: Path | None, url: str) -> str:
    """Name a source as a merchant would, but so that errors.csv can be submitted again.

    A name with control characters, or that is not UTF-8, survives only as an URL.
    """
    return str(path) if path is not None and str(path).isprintable() else url


def _write(store: ObjectStore, key: str, path: Path) -> None:
    """Copy an object to a file, checking that its bytes are those its key names.

    Copied, never linked: a merchant who edits the file must not change the stored rendition.
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
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror}", code="unwritable_output") from error
