"""Send the renditions of a batch as one ZIP archive, a picture at a time."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from producer.csv_out import write_csv
from producer.output.export import results_with_jobs
from producer.output.names import ERRORS_CSV, RESULTS_CSV, RULES_CSV
from producer.output.results import Result, write_results
from producer.output.zip_stream import ZipStream
from shared.context import Session
from shared.errors import MissingObject
from shared.queue.batches import Batch
from shared.store import ObjectStore

MISSING_CSV = "missing.csv"
_READ_AT_ONCE = 4
_MISSING_COLUMNS = ("sku", "output", "reason")


@dataclass(frozen=True)
class ArchiveFilter:
    """Which renditions of a batch an archive has; None stands for any."""

    preset: str | None = None
    style: str | None = None

    def admits(self, result: Result) -> bool:
        """Return whether the archive has this job. One without a rendition has no preset, and is only listed."""
        return self.style in (None, result.style) and (result.output is None or self.preset in (None, result.preset))


@dataclass
class _Archive:
    session: Session
    batch: Batch
    admitted: ArchiveFilter
    missing: list[tuple[str, str, str]] = field(default_factory=list)


def archive_batch(session: Session, batch: Batch, admitted: ArchiveFilter) -> Iterator[bytes]:
    """Yield the bytes of a ZIP archive with the finished renditions of a batch, under the names of a download.

    ``results.csv`` and, where something failed, ``errors.csv`` follow the pictures. A rendition that the store lacks or
    has damaged is left out, and named in ``missing.csv``, the last entry. Memory does not grow with the batch, and no
    connection to the database is held while the caller sends. Raises Unavailable where the store fails: what was sent
    is then no readable archive.
    """
    archive = _Archive(session, batch, admitted)
    with (
        ZipStream(datetime.now(UTC)) as stream,
        tempfile.TemporaryDirectory(prefix="atelier-archive-") as folder,
    ):
        yield from _pictures(archive, stream)
        write_results(Path(folder), (result for result, _ in _results(archive)), batch.input_columns)
        for name in (RESULTS_CSV, ERRORS_CSV, RULES_CSV):
            if (path := Path(folder) / name).exists():
                yield from stream.add_file(name, path)
        if archive.missing:
            path = Path(folder) / MISSING_CSV
            write_csv(
                path, _MISSING_COLUMNS, (dict(zip(_MISSING_COLUMNS, one, strict=True)) for one in archive.missing)
            )
            yield from stream.add_file(MISSING_CSV, path)
        yield from stream.end()


def _results(archive: _Archive) -> Iterator[tuple[Result, str | None]]:
    """Yield the admitted results, each with the key of its rendition."""
    for result, job in results_with_jobs(archive.session, archive.batch, None):
        if archive.admitted.admits(result):
            yield result, job.object_key


def _pictures(archive: _Archive, stream: ZipStream) -> Iterator[bytes]:
    finished = ((result, key) for result, key in _results(archive) if key is not None and result.output is not None)
    with ThreadPoolExecutor(_READ_AT_ONCE, "archive") as pool:
        while some := list(islice(finished, _READ_AT_ONCE)):
            for (result, _), (data, reason) in zip(some, _read(archive.session.store, pool, some), strict=True):
                assert result.output is not None
                if data is None:
                    archive.missing.append((result.sku, result.output, reason))
                else:
                    yield from stream.add(result.output, data)


def _read(
    store: ObjectStore, pool: ThreadPoolExecutor, some: Iterable[tuple[Result, str | None]]
) -> Iterator[tuple[bytes | None, str]]:
    """Yield the bytes of renditions in order, or None and the reason."""

    def read(key: str) -> tuple[bytes | None, str]:
        try:
            data = store.get(key)
        except MissingObject:
            return None, "the stored rendition is gone"
        if hashlib.sha256(data).hexdigest() not in key:
            return None, "the stored rendition is damaged"
        return data, ""

    return pool.map(read, [key for _, key in some if key is not None])
