"""The object store as a folder: a key is a path below it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from shared.errors import InvalidInput, MissingObject
from shared.store.base import (
    DEFAULT_CONTENT_TYPE,
    ObjectInfo,
    ObjectStore,
    ObjectTooLarge,
    check_key,
    check_prefix,
    open_source,
)
from shared.store.file_errors import translated_reading, translated_writing

_TEMPORARY = ".atelier-tmp"  # no key may start with it
_TEMPORARY_MAX_AGE_SECONDS = 24 * 3600
_MAX_SEGMENT_BYTES = 255  # of a file name, on every usual file system
_COMPARE_BYTES = 1024 * 1024
# What a file system answers when this file cannot be linked there, and a copy may still do.
_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


class FileStore(ObjectStore):
    """Objects as plain files, written aside, synced, then renamed into place.

    A rename replaces the name and never the bytes, so whoever has an object open, or a hard link to
    it, keeps what he has. Directories are left standing when their last object goes: removing them
    would race with a put. What a killed process left half-written is removed a day later.

    ``put_file`` links instead of copying where it can, which makes taking in a catalogue on the same
    disk nearly free. The object then shares its bytes with the merchant's file: replacing that file
    (as editors and exports do) leaves the object alone, writing into it in place changes the object.
    Therefore whoever reads a source compares its hash with the one in its key; a mismatch is an
    altered source, not a damaged store.

    An object's bytes last before it has its name, and the name when the put returns; that of a
    ``hasty`` store when it is settled, which syncs each folder once.
    """

    puts_at_once = 4  # on a quiet disk two are as good, on a busy one eight hardly better

    def __init__(self, root: Path, *, hasty: bool = False) -> None:
        self._root = root
        self._hasty = hasty
        self._unsettled: set[Path] = set()  # folders; adding and popping need no lock
        self._swept = False
        self.url = root.as_uri()

    def put(self, key: str, data: bytes, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store the bytes; equal ones are not written again, only made young."""
        target = self.path(key)
        with translated_writing(key, target, self._root):
            if not (_holds(target, data) and _touched(target)):
                with self._published(target) as temporary, open(temporary, "xb") as file:
                    file.write(data)
                    _sync(file)
            self._keep_name(target)

    def put_file(self, key: str, path: Path, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store a local file as a hard link to it (see above), or as a copy where that cannot be."""
        target = self.path(key)
        with open_source(path) as source, translated_writing(key, target, self._root):
            if not (_holds_same(target, source) and _touched(target)):
                with self._published(target) as temporary:
                    _link_or_copy(path, source, temporary)
            self._keep_name(target)

    def hasty(self) -> FileStore:
        """Return the same folder, whose new names last when they are settled."""
        return FileStore(self._root, hasty=True)

    def settle(self) -> None:
        """Sync each folder that has a new name, once."""
        while self._unsettled:
            folder = self._unsettled.pop()
            with translated_writing(folder.name, folder, self._root):
                _sync_folder(folder)

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """Return the bytes of a file."""
        target = self.path(key)
        with translated_reading(key, target), open(target, "rb") as file:
            data = file.read() if max_bytes is None else file.read(max_bytes + 1)
        if max_bytes is not None and len(data) > max_bytes:
            raise ObjectTooLarge(f"object {key} has more than the {max_bytes} bytes that are allowed")
        return data

    def size(self, key: str) -> int | None:
        """Return the size of a file; a directory is no object."""
        target = self.path(key)
        try:
            with translated_reading(key, target):
                found = target.stat()
        except MissingObject:
            return None
        return None if stat.S_ISDIR(found.st_mode) else found.st_size

    def delete(self, key: str) -> None:
        """Remove the file; links that others hold to it stay good."""
        target = self.path(key)
        with suppress(MissingObject), translated_reading(key, target):
            target.unlink()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Walk the folders in the order of the keys; a file that goes meanwhile is left out."""
        check_prefix(prefix)
        folder, _, stem = prefix.rpartition("/")
        if folder.partition("/")[0] == _TEMPORARY:
            return
        yield from self._walk(folder + "/" if folder else "", stem)

    def path(self, key: str) -> Path:
        """Return where the object lies, or would."""
        check_key(key)
        segments = key.split("/")
        if segments[0] == _TEMPORARY:
            raise InvalidInput(f"object key {key!r} starts with a reserved name", code="invalid_key")
        for segment in segments:
            if (length := len(segment.encode())) > _MAX_SEGMENT_BYTES:
                message = f"object key part {segment[:40]!r}... has {length} bytes; a folder store allows 255"
                raise InvalidInput(message, code="invalid_key")
        return self._root.joinpath(*segments)

    def presigned_url(self, key: str, *, expires_seconds: int = 3600, download_name: str | None = None) -> str | None:
        """Return None: a folder serves nothing by itself."""
        return None

    def _walk(self, folder: str, stem: str) -> Iterator[ObjectInfo]:
        for name, is_folder in self._names(folder):
            if not name.startswith(stem):
                continue
            if is_folder:
                yield from self._walk(f"{folder}{name}/", "")
            elif info := self._info(folder + name):
                yield info

    def _names(self, folder: str) -> Sequence[tuple[str, bool]]:
        """Return the names in a folder, sorted as keys are: a folder counts with its slash."""
        directory = self._root / folder
        try:
            with translated_reading(folder, directory), os.scandir(directory) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except MissingObject:
            return []
        named = [pair for pair in found if _is_key(folder + pair[0]) and folder + pair[0] != _TEMPORARY]
        return sorted(named, key=lambda pair: pair[0] + "/" if pair[1] else pair[0])

    def _info(self, key: str) -> ObjectInfo | None:
        """Describe one file. Its age is that of the inode: a link keeps the old ``mtime`` of its source."""
        target = self._root / key
        try:
            with translated_reading(key, target):
                found = target.stat()
        except MissingObject:
            return None
        if not stat.S_ISREG(found.st_mode):  # not even through a symbolic link
            return None
        modified_at = datetime.fromtimestamp(found.st_ctime, UTC)
        etag = f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
        return ObjectInfo(key, found.st_size, modified_at, etag)

    def _temporary(self) -> Path:
        """Return a fresh name beside the objects, on their file system."""
        folder = self._root / _TEMPORARY
        self._make_folder(folder)
        if not self._swept:
            self._swept = True
            _remove_stale(folder)
        return folder / uuid.uuid4().hex

    @contextmanager
    def _published(self, target: Path) -> Iterator[Path]:
        """Yield a name for a file to be made in the block, with bytes that last; at its end the file is the target."""
        temporary = self._temporary()
        try:
            yield temporary
            self._make_folder(target.parent)
            os.replace(temporary, target)
        finally:
            # After a rename there is nothing left, unless the target was this very file already: then renaming does
            # nothing, by the rules of POSIX.
            temporary.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and its parents."""
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self._keep_name(folder)

    def _keep_name(self, path: Path) -> None:
        """Let a name last, now or when settled; one that was found there, too: who gave it may be about to."""
        if self._hasty:
            self._unsettled.add(path.parent)
        else:
            _sync_folder(path.parent)


def _link_or_copy(path: Path, source: BinaryIO, temporary: Path) -> None:
    try:
        # Before the link, which changes the file's inode: a photo that has lain there for a while costs nothing then.
        _sync_data(source.fileno())
        # Resolved, because Linux would link to a symbolic link itself.
        os.link(path.resolve(strict=True), temporary)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        source.seek(0)
        with open(temporary, "xb") as file:
            shutil.copyfileobj(source, file, _COMPARE_BYTES)
            _sync(file)


def _holds(target: Path, data: bytes) -> bool:
    """Say whether the file is there with exactly these bytes."""
    try:
        return target.stat().st_size == len(data) and target.read_bytes() == data
    except OSError:
        return False  # whatever it is, writing will tell


def _holds_same(target: Path, source: BinaryIO) -> bool:
    """Say whether the file is there with exactly the bytes of another."""
    try:
        with open(target, "rb") as held:
            if os.path.sameopenfile(held.fileno(), source.fileno()):
                return True
            if os.fstat(held.fileno()).st_size != os.fstat(source.fileno()).st_size:
                return False
            while block := source.read(_COMPARE_BYTES):
                if held.read(_COMPARE_BYTES) != block:
                    return False
            return True
    except OSError:
        return False


def _touched(target: Path) -> bool:
    """Make an object young without changing it, so that no sweep takes what was just put again.

    Setting the times a file has already moves only its ``ctime``; False when the file is not ours.
    """
    try:
        found = target.stat()
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    except OSError:
        return False
    return True


_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(folder: Path) -> None:
    """Remove what killed processes left; live ones finish long before a day."""
    oldest = time.time() - _TEMPORARY_MAX_AGE_SECONDS
    for path in folder.iterdir():
        with suppress(OSError):  # gone already, or another user's
            if path.lstat().st_ctime < oldest:
                path.unlink()


def _is_key(name: str) -> bool:
    """Say whether a name found in the folder can be a key; some file names are not UTF-8."""
    try:
        check_key(name)
    except InvalidInput:
        return False
    return True
