"""The record of what Atelier has written to a folder, so that it never replaces or restyles anything by mistake.

It is a hidden file in the output folder with one line of JSON for each file written: path, size, time and sha256. A
file counts as Atelier's own only while it is as Atelier wrote it: what a merchant has edited since is theirs.
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
    """A file as it was written; without ``sha256`` while it is being written."""

    size: int
    mtime_ns: int
    sha256: str | None


class Written:
    """What Atelier has written to one folder, by path relative to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._marks = _load(folder / RECORD)

    def holds(self, name: str) -> bool:
        """Tell whether a file is there and as Atelier wrote it."""
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
            # Copying a folder changes the times of its files and nothing else.
            return status.st_size == mark.size and file_sha256(path) == mark.sha256
        except OSError:
            return False

    def add(self, name: str, file: Path, sha256: str) -> None:
        """Record a finished file that is about to be moved to ``name``. Raises OSError."""
        status = file.stat()
        self._append(name, Mark(status.st_size, status.st_mtime_ns, sha256))

    def begin(self, name: str) -> None:
        """Record that ``name`` is being written from now on, until ``add``. Raises OSError."""
        self._append(name, Mark(0, 0, None))

    def _append(self, name: str, mark: Mark) -> None:
        with (self._folder / RECORD).open("a", encoding="utf-8") as record:
            record.write(json.dumps([name, *mark]) + "\n")
        self._marks[name] = mark


def _load(record: Path) -> dict[str, Mark]:
    """Read a record, of whose lines about one file the last counts; one that was cut off counts as none."""
    marks: dict[str, Mark] = {}
    try:
        with record.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    name, *mark = json.loads(line)
                    marks[name] = Mark(*mark)
                except (ValueError, TypeError):
                    continue
    except OSError:
        return {}
    return marks


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class OwnFiles:
    """Tells files that Atelier wrote from others, wherever they lie. Looks for a record once in each folder."""

    def __init__(self) -> None:
        self._records: dict[str, tuple[tuple[str, Written], ...]] = {}

    def holds(self, path: Path) -> bool:
        """Tell whether the file at an absolute path is as Atelier wrote it."""
        text = str(path)
        return any(
            written.holds(text[len(folder) :].lstrip("/")) for folder, written in self._above(os.path.dirname(text))
        )

    def _above(self, folder: str) -> tuple[tuple[str, Written], ...]:
        found = self._records.get(folder)
        if found is None:
            parent = os.path.dirname(folder)
            found = self._above(parent) if parent != folder else ()
            if os.path.isfile(os.path.join(folder, RECORD)):
                found = (*found, (folder, Written(Path(folder))))
            self._records[folder] = found
        return found
