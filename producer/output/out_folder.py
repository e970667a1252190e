"""Write to an output folder, and never over a file that Atelier did not write."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from producer.output.names import ERRORS_CSV, GALLERY_HTML, RESULTS_CSV, RULES_CSV
from producer.written_files import Written, file_sha256
from shared.errors import AtelierError, UsageError

REPORTS = (RESULTS_CSV, ERRORS_CSV, RULES_CSV, GALLERY_HTML)
"""Files that every export writes or removes, besides the renditions."""

FILES_NAMED = 3
"""Number of files that a refusal names; it counts the others."""


def out_path(text: str | Path) -> Path:
    """Parse the option ``--out``. Raises UsageError if it is empty, which would mean the current folder."""
    if not str(text).strip():
        raise UsageError("--out is empty, possibly from an unset variable: give a folder, or . for the current one")
    return Path(text)


class Target(NamedTuple):
    """File to write: its path in the folder, the sha256 of its content if known, and its photo."""

    name: str
    sha256: str | None = None
    source: Path | None = None


def prepare_folder(out: Path, inputs: Sequence[str] = ()) -> None:
    """Create the output folder and check that it can be written, before any work is done.

    Raises UsageError if it cannot, if it lies inside an input folder, or if a report would replace an input file.
    """
    for name in inputs:
        path = Path(name)
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise UsageError(f"--out {out} lies inside the input folder {name}: choose a folder outside it")
        if path.is_file() and path.resolve() in {(out / report).resolve() for report in REPORTS}:
            raise UsageError(
                f"--out {out} would overwrite its own input {name}: choose another folder", code="overwrites_source"
            )
    probe = out / f".atelier-{secrets.token_hex(4)}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"cannot write to --out {out}: {error.strerror}", code="unwritable_output") from error


@contextmanager
def prepared_folder(out: Path, inputs: Sequence[str] = ()) -> Iterator[None]:
    """As ``prepare_folder``; on an error a folder that was created for nothing is removed again."""
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    prepare_folder(out, inputs)
    try:
        yield
    except AtelierError:
        for folder in missing:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
        raise


class OutFolder:
    """Output folder, and the record of what Atelier has written there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = Written(path)

    @property
    def is_empty(self) -> bool:
        """Return whether the folder has no file that could be replaced."""
        with os.scandir(self.path) as entries:
            return next(entries, None) is None

    def require_free(self, targets: Iterable[Target]) -> None:
        """Raise UsageError if a target, or a report, would replace a file that Atelier did not write."""
        taken: list[str] = []
        count = 0
        folders: dict[str, bool] = {"": True}
        for target in chain(map(Target, REPORTS), targets):
            if target.source is not None and _same_file(self.path / target.name, target.source):
                raise UsageError(
                    f"--out {self.path} would overwrite the photo {target.source} with its rendition: choose another"
                    " folder",
                    code="overwrites_source",
                )
            if not self._is_free(target, folders):
                count += 1
                if len(taken) < FILES_NAMED:
                    taken.append(target.name)
        if count:
            raise _refusal(self.path, taken, count)

    def _is_free(self, target: Target, folders: dict[str, bool]) -> bool:
        """Return whether a target may be written: it is missing, was written by Atelier, or has the same bytes."""
        if not self._is_folder(target.name.rpartition("/")[0], folders):
            return False
        path = self.path / target.name
        if not os.path.lexists(path) or self._written.holds(target.name):
            return True
        try:
            return target.sha256 is not None and path.is_file() and file_sha256(path) == target.sha256
        except OSError:
            return False

    def _is_folder(self, name: str, known: dict[str, bool]) -> bool:
        """Return whether files can be put below a path: it is a folder, or can become one."""
        if name not in known:
            path = self.path / name
            known[name] = self._is_folder(name.rpartition("/")[0], known) and (
                path.is_dir() or not os.path.lexists(path)
            )
        return known[name]

    def write(self, name: str, data: bytes) -> None:
        """Write a file completely or not at all. Raises UsageError if it cannot, or may not, be written."""
        path = self.path / name
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        sha256 = hashlib.sha256(data).hexdigest()
        # Check again, since exporting many files takes a while.
        if not self._is_free(Target(name, sha256), {"": True}):
            raise _refusal(self.path, [name], 1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            self._written.add(name, part, sha256)
            os.replace(part, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UsageError(f"cannot write {path}: {error.strerror}", code="unwritable_output") from error

    @contextmanager
    def writing(self, *names: str) -> Iterator[None]:
        """Let other code write or remove files at the top of the folder, and record the result."""
        for name in names:
            if not self._is_free(Target(name), {"": True}):
                raise _refusal(self.path, [name], 1)
        try:
            for name in names:
                self._written.begin(name)
            yield
            for name in names:
                path = self.path / name
                if path.exists():
                    self._written.add(name, path, file_sha256(path))
        except OSError as error:
            raise UsageError(f"cannot write to {self.path}: {error.strerror}", code="unwritable_output") from error


def _refusal(out: Path, names: Sequence[str], count: int) -> UsageError:
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return UsageError(
        f"--out {out} would overwrite files that Atelier did not write, or that have changed since: {', '.join(names)}"
        f"{more}; choose another folder",
        code="overwrites_files",
    )


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False  # one of them does not exist, or cannot be read
