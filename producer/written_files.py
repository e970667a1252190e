"""Record what Atelier has written to a folder, so that it never replaces or restyles a file by mistake.

The record is a hidden file in the output folder with one line of JSON per file: path, size, time and sha256. A file
counts as Atelier's own only while it is unchanged; a file that a merchant has edited is the merchant's.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import NamedTuple

RECORD = ".atelier-written.jsonl"


class Mark(NamedTuple):
    """State of a written file; ``sha256`` is None while it is being written."""

    size: int
    mtime_ns: int
    sha256: str | None


class Written:
    """Files that Atelier has written to one folder, by relative path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._marks = _load(folder / RECORD)

    def holds(self, name: str) -> bool:
        """Return whether a file exists and is as Atelier wrote it."""
        mark = self._marks.get(name)
        if mark is None:
            return False
        path = self._folder / name
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                return False
            if mark.sha256 is None or (status.st_size, status.st_mtime_ns) == mark[:2]:
                return True
            # Copying a folder only changes the times of its files.
            return status.st_size == mark.size and file_sha256(path) == mark.sha256
        except OSError:
            return False

    def add(self, name: str, file: Path, sha256: str) -> None:
        """Record a finished file that is about to be moved to ``name``. Raises OSError."""
        status = file.stat()
        self._append(name, Mark(status.st_size, status.st_mtime_ns, sha256))

    def begin(self, name: str) -> None:
        """Record that ``name`` is being written, until ``add``. Raises OSError."""
        self._append(name, Mark(0, 0, None))

    def _append(self, name: str, mark: Mark) -> None:
        with (self._folder / RECORD).open("a", encoding="utf-8") as record:
            record.write(json.dumps([name, *mark]) + "\n")
        self._marks[name] = mark


def _load(record: Path) -> dict[str, Mark]:
    """Read a record. Of several lines about a file the last counts; an incomplete line is ignored."""
    marks: dict[str, Mark] = {}
    try:
        with record.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    name, *mark = json.loads(line)
                    marks[name] = Mark(*mark)
                except (ValueError, TypeError, RecursionError):
                    continue
    except OSError:
        return {}
    return marks


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class OwnFiles:
    """Recognises files that Atelier wrote, in any folder. Reads each folder's record once."""

    def __init__(self) -> None:
        self._records: dict[str, tuple[tuple[str, Written], ...]] = {}

    def holds(self, path: Path) -> bool:
        """Return whether the file at an absolute path is as Atelier wrote it."""
        text = str(path)
        return any(
            written.holds(text[len(folder) :].lstrip("/")) for folder, written in self._above(os.path.dirname(text))
        )

    def _above(self, folder: str) -> tuple[tuple[str, Written], ...]:
        records = self._records.get(folder)
        if records is None:
            parent = os.path.dirname(folder)
            records = self._above(parent) if parent != folder else ()
            if os.path.isfile(os.path.join(folder, RECORD)):
                records = (*records, (folder, Written(Path(folder))))
            self._records[folder] = records
        return records
