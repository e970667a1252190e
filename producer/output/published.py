"""Copy renditions to where a shop reads them, under stable names, and only those that have changed.

What was copied is recorded in Atelier's own store, beside the merchant's feeds. A rendition is copied again if another
one has its name, or if the file is missing or of another size. So an interrupted copy goes on where it ended.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from producer.output.export import read_rendition
from producer.output.picture_links import NamedRendition
from shared.context import Session
from shared.errors import MissingObject
from shared.presets import FORMAT_EXTENSIONS
from shared.store import ObjectStore

SAVED_EVERY = 1000
"""Copies after which the record is saved."""

_CONTENT_TYPES = {extension: f"image/{format}" for format, extension in FORMAT_EXTENSIONS.items()}


@dataclass(frozen=True)
class Published:
    """How many renditions were copied, and how many were there already."""

    copied: int
    unchanged: int


def publish(
    session: Session, merchant: int, target: ObjectStore, renditions: Callable[[], Iterator[NamedRendition]]
) -> Published:
    """Copy renditions to a store under their names; return how many were copied. Raises Unavailable or NotAllowed."""
    record = _Record(session.store, f"feeds/{merchant}/published/{hashlib.sha256(target.url.encode()).hexdigest()}")
    record.compare_with(target)
    copied = unchanged = 0
    waiting: deque[tuple[NamedRendition, Future[int]]] = deque()

    def copy(rendition: NamedRendition) -> int:
        data = read_rendition(session.store, rendition.object_key)
        kind = _CONTENT_TYPES.get(PurePosixPath(rendition.name).suffix, "application/octet-stream")
        target.put(rendition.name, data, content_type=kind)
        return len(data)

    def finish_one() -> None:
        nonlocal copied
        rendition, size = waiting.popleft()
        record.add(rendition, size.result())
        copied += 1
        if copied % SAVED_EVERY == 0:
            record.save()

    pool = ThreadPoolExecutor(target.concurrent_puts, "publish")
    try:
        for rendition in renditions():
            if record.holds(rendition):
                unchanged += 1
                continue
            waiting.append((rendition, pool.submit(copy, rendition)))
            if len(waiting) > 2 * target.concurrent_puts:
                finish_one()
        while waiting:
            finish_one()
    finally:
        pool.shutdown(cancel_futures=True)
        if copied:
            record.save()
    return Published(copied, unchanged)


class _Record:
    """What was copied to one place, in a temporary SQLite file while it is used."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store = store
        self._key = key
        self._database = sqlite3.connect("")  # an empty name is a temporary file, which SQLite removes
        self._database.executescript(
            """
            CREATE TABLE known (name TEXT PRIMARY KEY, object_key TEXT, bytes INT) WITHOUT ROWID;
            CREATE TABLE present (name TEXT PRIMARY KEY, bytes INT) WITHOUT ROWID;
            """
        )
        with tempfile.TemporaryDirectory(prefix="atelier-published-") as folder:
            path = Path(folder) / "record"
            try:
                store.get_file(key, path)
            except MissingObject:
                return
            with path.open(encoding="utf-8") as lines:
                self._database.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", map(json.loads, lines))

    def compare_with(self, target: ObjectStore) -> None:
        """Look up what is really there."""
        entries = ((entry.key, entry.bytes) for entry in target.list(""))
        self._database.executemany("INSERT OR REPLACE INTO present VALUES (?, ?)", entries)

    def holds(self, rendition: NamedRendition) -> bool:
        """Return whether a rendition was copied under its name, and is still there."""
        row = self._database.execute(
            "SELECT 1 FROM known JOIN present USING (name, bytes) WHERE name = ? AND object_key = ?", rendition
        ).fetchone()
        return row is not None

    def add(self, rendition: NamedRendition, size: int) -> None:
        """Record a copy."""
        self._database.execute("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", (*rendition, size))

    def save(self) -> None:
        """Put the record into the store."""
        with tempfile.TemporaryDirectory(prefix="atelier-published-") as folder:
            path = Path(folder) / "record"
            with path.open("w", encoding="utf-8") as file:
                for row in self._database.execute("SELECT name, object_key, bytes FROM known"):
                    file.write(json.dumps(row) + "\n")
            self._store.put_file(self._key, path)
