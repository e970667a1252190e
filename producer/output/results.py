"""Write results.csv and errors.csv, the results of a batch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from producer.csv_out import write_csv
from producer.manifest.columns import Columns
from producer.manifest.formats.archive import member_of
from producer.output.names import ERRORS_CSV, RESULTS_CSV
from shared.errors import UsageError
from shared.queue.jobs import JobState

_RESULT_COLUMNS = (
    "sku",
    "source",
    "output",
    "style",
    "strength",
    "state",
    "width",
    "height",
    "reused",
)
_ERROR_COLUMNS = ("code", "message", "retryable")
_LISTING_COLUMNS = ("sku", "image", "style", "strength")
"""Columns for a listing of files, which has none: a retry of an error must use exactly the failed look."""


@dataclass(frozen=True)
class Result:
    """Result of one job.

    ``state``        ``succeeded``, ``failed``, ``cancelled`` or ``queued``.
    ``output``       path of the rendition relative to the out folder, POSIX; None if there is none.
    ``columns``      original row; empty for a listing of files.
    ``source_path``  local file of the source, for the gallery's thumbnail; None if there is none.
    """

    ordinal: int
    line: int
    sku: str
    source: str
    style: str
    strength: float
    state: str
    output: str | None
    width: int | None
    height: int | None
    reused: bool
    code: str | None
    message: str | None
    retryable: bool
    columns: Mapping[str, str]
    source_path: Path | None


def write_results(out: Path, results: Iterable[Result], columns: Sequence[str]) -> None:
    """Write results.csv with a row per job, and errors.csv with the failed ones.

    errors.csv has the ``columns`` of the input, so that it can be fixed and submitted again. If nothing
    failed, it is not written, and one of an earlier run is removed. ``results`` is read once, as a stream.
    Raises UsageError if a file cannot be written.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as failures:
        write_csv(out / RESULTS_CSV, _RESULT_COLUMNS, _result_rows(results, failures))
        if failures.tell():
            failures.seek(0)
            names = (*(columns or _LISTING_COLUMNS), *_ERROR_COLUMNS)
            write_csv(out / ERRORS_CSV, names, (json.loads(line) for line in failures))
        else:
            _remove(out / ERRORS_CSV)


def _result_rows(results: Iterable[Result], failures: TextIO) -> Iterator[Mapping[str, object]]:
    # Results may be streamed from the database, so failures are set aside during the only pass.
    for result in results:
        if result.state == JobState.FAILED:
            failures.write(json.dumps(_error_row(result)) + "\n")
        yield _result_row(result)


def _result_row(result: Result) -> dict[str, object]:
    return {
        "sku": result.sku,
        "source": result.source,
        "output": result.output,
        "style": _style_asked(result),
        "strength": f"{result.strength:g}",
        "state": result.state,
        "width": result.width,
        "height": result.height,
        "reused": _yes_no(result.reused),
    }


def _style_asked(result: Result) -> str:
    """Return the style of a job; of a failed row that of its own cell, which may be why it failed."""
    column = Columns.among(result.columns).style if result.state == JobState.FAILED else None
    return (column and result.columns[column].strip()) or result.style


def _error_row(result: Result) -> dict[str, object]:
    row = dict(result.columns)
    if not row:
        values = (result.sku, result.source, result.style, f"{result.strength:g}")
        row = dict(zip(_LISTING_COLUMNS, values, strict=True))
    column = Columns.among(row).image
    if column and (result.source_path is not None or member_of(result.source)):
        # A relative path would be resolved against errors.csv, not against the original input.
        row[column] = result.source
    # Last, since an errors.csv that is submitted again already has these columns.
    return row | {"code": result.code, "message": result.message, "retryable": _yes_no(result.retryable)}


def _yes_no(value: bool) -> str:
    return "true" if value else "false"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be removed: {error.strerror}", code="unwritable") from error
