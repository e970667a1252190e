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
from producer.output.names import ERRORS_CSV, RESULTS_CSV, RULES_CSV
from shared.errors import UsageError
from shared.quality.gate import FIGURES
from shared.quality.rule_report import RuleReport
from shared.queue.jobs import JobState
from shared.strength import Strength

_RESULT_COLUMNS = (
    "sku",
    "source",
    "output",
    "style",
    "strength",
    "protect",
    "background",
    "state",
    "width",
    "height",
    "reused",
    *FIGURES,
    "preset",
    "published",
    "reason",
    "position",
    "address",
    "bytes",
)
_ERROR_COLUMNS = ("code", "message", "retryable")
_RULE_COLUMNS = ("sku", "output", "style", "preset", "rule", "required", "found", "passed")
_LISTING_COLUMNS = ("sku", "image", "style", "strength", "protect", "background")
"""Columns for a listing of files, which has none: a retry of an error must use exactly the failed look."""


@dataclass(frozen=True)
class Result:
    """Result of one job.

    ``state``        ``succeeded``, ``failed``, ``cancelled`` or ``queued``.
    ``output``       path of the rendition relative to the out folder, POSIX; None if there is none.
    ``background``   of the rendition: ``keep`` where the photo's own stayed.
    ``quality``      figures of the rendition by name, see ``shared.quality.gate.Quality``; empty if there are none.
    ``position``     position among the pictures of its sku, from 1.
    ``address``      address of the stored rendition; None if there is none.
    ``bytes``        size of the rendition's file; None if there is none.
    ``columns``      original row; empty for a listing of files.
    ``preset``       what the rendition was made for, with size and format where there are several.
    ``report``       how it keeps the preset's rules; None for a plain format.
    ``source_path``  local file of the source, for the gallery's thumbnail; None if there is none.
    """

    ordinal: int
    line: int
    sku: str
    source: str
    style: str
    strength: Strength
    protect: str
    background: str
    state: str
    output: str | None
    width: int | None
    height: int | None
    quality: Mapping[str, float]
    reused: bool
    code: str | None
    message: str | None
    retryable: bool
    columns: Mapping[str, str]
    source_path: Path | None
    preset: str | None = None
    report: RuleReport | None = None
    position: int = 1
    address: str | None = None
    bytes: int | None = None

    @property
    def reason(self) -> str:
        """Return the broken rules of its channel, for which it is not published; empty if it may be."""
        return "" if self.report is None else self.report.reason


def write_results(out: Path, results: Iterable[Result], columns: Sequence[str]) -> None:
    """Write results.csv with a row per rendition, errors.csv with the failed jobs, rules.csv with the rule reports.

    errors.csv has the ``columns`` of the input, so that it can be fixed and submitted again. If nothing
    failed, it is not written, and one of an earlier run is removed; the same holds for rules.csv, where no preset has
    rules. ``results`` is read once, as a stream.
    Raises UsageError if a file cannot be written.
    """
    error_columns = (*(columns or _LISTING_COLUMNS), *_ERROR_COLUMNS)
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as failures,
        tempfile.TemporaryFile("w+", encoding="utf-8") as rules,
    ):
        write_csv(out / RESULTS_CSV, _RESULT_COLUMNS, _result_rows(results, failures, rules))
        for path, names, rows in ((out / ERRORS_CSV, error_columns, failures), (out / RULES_CSV, _RULE_COLUMNS, rules)):
            if rows.tell():
                rows.seek(0)
                write_csv(path, names, (json.loads(line) for line in rows))
            else:
                _remove(path)


def _result_rows(results: Iterable[Result], failures: TextIO, rules: TextIO) -> Iterator[Mapping[str, object]]:
    # Results may be streamed from the database, so failures and rules are set aside during the only pass.
    for result in results:
        if result.state == JobState.FAILED:
            failures.write(json.dumps(_error_row(result)) + "\n")
        for row in _rule_rows(result):
            rules.write(json.dumps(row) + "\n")
        yield _result_row(result)


def _rule_rows(result: Result) -> Iterator[dict[str, object]]:
    for one in () if result.report is None else result.report.results:
        passed = "not measured or advice" if one.passed is None else _yes_no(one.passed)
        yield {
            "sku": result.sku,
            "output": result.output,
            "style": result.style,
            "preset": result.preset,
            "rule": one.rule,
            "required": one.required,
            "found": one.found,
            "passed": passed,
        }


def _result_row(result: Result) -> dict[str, object]:
    return {
        "sku": result.sku,
        "source": result.source,
        "output": result.output,
        "style": _style_asked(result),
        "strength": str(result.strength),
        "protect": result.protect,
        "background": result.background,
        "state": result.state,
        "width": result.width,
        "height": result.height,
        "reused": _yes_no(result.reused),
        **{name: result.quality.get(name) for name in FIGURES},
        "preset": result.preset,
        "published": _yes_no(result.output is not None and not result.reason),
        "reason": result.reason,
        "position": result.position,
        "address": result.address,
        "bytes": result.bytes,
    }


def _style_asked(result: Result) -> str:
    """Return the style of a job; of a failed row that of its own cell, which may be why it failed."""
    column = Columns.among(result.columns).style if result.state == JobState.FAILED else None
    return (column and result.columns[column].strip()) or result.style


def _error_row(result: Result) -> dict[str, object]:
    row = dict(result.columns)
    if not row:
        values = (result.sku, result.source, result.style, str(result.strength), result.protect, result.background)
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
