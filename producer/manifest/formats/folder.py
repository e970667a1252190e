"""List local files: a folder, a pattern, or files named one by one."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from producer.manifest.extensions import (
    IMAGE_EXTENSIONS,
    extension,
    ignored_note,
    is_image_file,
    is_left_out,
    left_out_note,
    without_extension,
)
from producer.manifest.row import ManifestRow
from producer.written_files import RECORD, OwnFiles
from shared.errors import ManifestError
from shared.plain_text import storable


def listed_row(number: int, name: str, source: str) -> ManifestRow:
    """Return the row of a listed image; ``name`` is its path relative to the listing."""
    sku = storable(without_extension(name))
    return ManifestRow(number, sku[-512:], source, source, sku, None, None, {}, None)


class Folder:
    """Images in and below a folder, sorted by path; with ``wanted``, only the paths that it accepts.

    Hidden files and folders are left out. Links to folders are not followed, which prevents loops and loses nothing,
    since a folder inside is listed anyway. Links to files outside are not followed either.
    """

    columns = ()
    format = "folder"

    def __init__(
        self, root: Path, name: str, wanted: Callable[[str], bool] | None = None, depth: int | None = None
    ) -> None:
        self.name = _short_name(name)
        self._given = name
        self._root = root.absolute()
        self._real_root = os.path.realpath(root)
        self._wanted = wanted or (lambda _: True)
        self._depth = depth
        self._own = OwnFiles()
        ignored: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self.digest, own = self._scan(ignored)
        self.ignored = ignored.total() + own
        self.notes = ignored_note(name, ignored) + own_note(name, own) + left_out_note(name, self._left_out)

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the images, numbered from 1. The folder is listed again."""
        images = (
            path for path in self._files() if self._is_image(path) and self._status(path) and self._is_input(path)
        )
        for number, path in enumerate(images, 1):
            yield listed_row(number, path, (self._root / path).as_uri())

    def _scan(self, ignored: Counter[str]) -> tuple[str, int]:
        """Return a digest of the files and the number of own renditions; count ignored files by extension."""
        digest = hashlib.sha256(b"folder\0" + os.fsencode(self._root) + b"\0" + self._given.encode(errors="replace"))
        empty, own = True, 0
        for path in self._files(self._left_out):
            is_image = self._is_image(path)
            status = self._status(path) if is_image else None
            if status is None:
                ignored["links out of it or no files" if is_image else extension(path)] += 1
                continue
            if not self._is_input(path):
                own += 1
                continue
            empty = False
            digest.update(os.fsencode(path) + f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        if empty and own:
            raise only_own(self._given)
        if empty:
            known = " ".join(IMAGE_EXTENSIONS)
            raise ManifestError(
                f"{self._given} contains no images ({ignored.total()} other files); supported extensions: {known}",
                code="no_images",
            )
        return digest.hexdigest(), own

    def _is_image(self, path: str) -> bool:
        return is_image_file(self._root / path)

    def _is_input(self, path: str) -> bool:
        """Tell whether an image is none that Atelier wrote there."""
        return not self._own.holds(self._root / path)

    def _files(self, left_out: Counter[str] | None = None) -> Iterator[str]:
        """Yield the paths of all wanted files, relative to the root and sorted as strings; count what is left out."""
        pending = [""]
        while pending:
            path = pending.pop()
            if path and not path.endswith("/"):
                if self._wanted(path):
                    yield path
            elif self._depth is None or path.count("/") < self._depth:
                pending.extend(reversed(self._children(path, left_out)))

    def _children(self, folder: str, left_out: Counter[str] | None) -> list[str]:
        children = []
        try:
            with os.scandir(self._root / folder) as entries:
                for entry in entries:
                    if not is_left_out(entry.name):
                        # The slash after a folder sorts it among files as complete paths would be.
                        children.append(folder + entry.name + "/" * entry.is_dir(follow_symlinks=False))
                    elif left_out is not None and entry.name != RECORD:
                        left_out[_kind_left_out(entry)] += 1
        except OSError as error:
            raise ManifestError(
                f"folder {self._root / folder} cannot be listed: {error.strerror}", code="manifest_unreadable"
            ) from error
        return sorted(children)

    def _status(self, path: str) -> os.stat_result | None:
        """Return the status of a regular file, or of a link to one in the folder; else None."""
        full = self._root / path
        try:
            status = full.lstat()
            if stat.S_ISLNK(status.st_mode):
                real = os.path.realpath(full)
                status = os.stat(real)
                if os.path.commonpath([real, self._real_root]) != self._real_root:
                    return None
        except OSError:
            return None
        return status if stat.S_ISREG(status.st_mode) else None


def _kind_left_out(entry: os.DirEntry[str]) -> str:
    if not entry.is_dir(follow_symlinks=False):
        return "hidden files"
    return "hidden folders" if entry.name.startswith(".") else f"folders {storable(entry.name)}"


def _short_name(name: str) -> str:
    """Return the last folder of a listing as its name: no gallery may show where it lies on the merchant's disk."""
    return os.path.basename(os.path.abspath(name)) or name


def own_note(name: str, count: int) -> tuple[str, ...]:
    """Tell the merchant how many renditions of earlier runs are left out."""
    if not count:
        return ()
    return (f"{name}: {count} renditions that Atelier wrote there are left out: to style them again, copy them first",)


def only_own(name: str) -> ManifestError:
    """Return what to say where there is nothing but renditions of earlier runs."""
    return ManifestError(
        f"{name} holds only renditions that Atelier wrote: to style them again, copy them elsewhere", code="no_images"
    )


def open_pattern(pattern: str) -> Folder:
    """Open the images that a pattern matches: ``*``, ``?``, ``[…]`` within a name, ``**`` for any folders."""
    segments = pattern.split("/")
    literal = next(index for index, segment in enumerate(segments) if is_pattern(segment))
    root, wanted = Path("/".join(segments[:literal]) or ("/" if literal else ".")), segments[literal:]
    if not root.is_dir():
        raise ManifestError(f"pattern {pattern} matches no images: there is no folder {root}", code="no_images")
    if wanted[-1] == "**":
        wanted.append("*")
    depth = None if "**" in wanted else len(wanted)
    return Folder(root, pattern, lambda path: _matches(path.split("/"), wanted), depth)


def is_pattern(text: str) -> bool:
    """Return whether a text contains a wildcard."""
    return any(char in text for char in "*?[")


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] == "**":
        return _matches(path, pattern[1:]) or _matches(path[1:], pattern)
    return fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])


class Files:
    """Images named one by one, as a shell expands a pattern. Sku and output are the file names."""

    columns = ()
    format = "images"

    def __init__(self, paths: Sequence[Path]) -> None:
        own = OwnFiles()
        self._paths = [path for path in map(Path.absolute, paths) if not own.holds(path)]
        self.ignored = len(paths) - len(self._paths)
        if not self._paths:
            raise only_own(str(paths[0]))
        self.notes = own_note(str(paths[0]), self.ignored)
        self.name = self._paths[0].name if len(self._paths) == 1 else f"{len(self._paths)} images"
        digest = hashlib.sha256(b"files\0")
        for path in self._paths:
            status = path.stat()
            digest.update(os.fsencode(path) + f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        self.digest = digest.hexdigest()

    def rows(self) -> Iterator[ManifestRow]:
        """Yield the images in the order given, numbered from 1."""
        for number, path in enumerate(self._paths, 1):
            yield listed_row(number, path.name, path.as_uri())
