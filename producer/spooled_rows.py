"""Keep the rows of a feed in a temporary file, so that no transaction is open while the feed is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile, gettempdir
from types import TracebackType
from typing import Self

from shared.catalog.feed import FeedRow
from shared.errors import UsageError


class SpooledRows:
    """Rows of a feed in a temporary file, as JSON Lines: about 300 bytes each, however many there are."""

    def __init__(self) -> None:
        self._file = TemporaryFile("w+", encoding="utf-8", prefix="atelier-feed-")  # noqa: SIM115 - closed on exit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def fill(self, rows: Iterable[FeedRow]) -> None:
        """Write all rows. What reading them raises is passed on; UsageError where the disk is full."""
        for row in rows:
            try:
                self._file.write(json.dumps(row) + "\n")
            except OSError as error:
                reason = f"the feed cannot be kept in {gettempdir()} while it is read: {error.strerror}"
                raise UsageError(f"{reason}; make room there, or set TMPDIR", code="unwritable") from error

    def __iter__(self) -> Iterator[FeedRow]:
        """Yield the rows as they were written, in their order."""
        self._file.seek(0)
        for line in self._file:
            yield FeedRow(*json.loads(line))
