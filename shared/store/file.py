"""Object store in a folder: each key is a path below it."""

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
    open_target,
)
from shared.store.file_errors import translated_reading, translated_writing

_TEMPORARY = ".atelier-tmp"  # no key may start with it
_TEMPORARY_MAX_AGE_SECONDS = 24 * 3600
_MAX_SEGMENT_BYTES = 255  # limit of a file name on all common file systems
_COMPARE_BYTES = 1024 * 1024
# Errors that mean the file cannot be linked; a copy may still work.
_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


class FileStore(ObjectStore):
    """Store objects as plain files: written to a temporary name, synced, then renamed into place.

    A rename replaces the name and never the bytes, so a reader with an open object, or a hard link to
    it, keeps the old bytes. Empty directories are not removed, since that would race with a put.
    Temporary files of a killed process are removed after a day.

    ``put_file`` creates a hard link where possible, so importing a catalogue from the same disk costs
    almost nothing. The object then shares its bytes with the merchant's file: replacing that file (as
    editors and exports do) leaves the object unchanged; writing into it in place changes the object.
    Readers of a source therefore compare its hash with the one in its key. A mismatch means that the
    source has changed, not that the store is damaged.

    An object's bytes are durable before it has its name. The name is durable when the put returns or,
    in a store with deferred sync, after ``sync``, which syncs each folder once.
    """

    concurrent_puts = 4  # 2 are as fast on an idle disk, 8 hardly faster on a busy one

    def __init__(self, root: Path, *, deferred: bool = False) -> None:
        self._root = root
        self._deferred = deferred
        self._unsynced: set[Path] = set()  # folders; adding and popping need no lock
        self._swept = False
        self.url = root.as_uri()

    def put(self, key: str, data: bytes, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store the bytes. Equal bytes are not written again; only the object's age is reset."""
        target = self.path(key)
        with translated_writing(key, target, self._root):
            if not (_has_bytes(target, data) and _reset_age(target)):
                with self._published(target) as temporary, open(temporary, "xb") as file:
                    file.write(data)
                    _sync(file)
            self._persist_name(target)

    def put_file(self, key: str, path: Path, *, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Store a local file as a hard link to it, or as a copy where a link is not possible."""
        target = self.path(key)
        with open_source(path) as source, translated_writing(key, target, self._root):
            if not (_has_same_bytes(target, source) and _reset_age(target)):
                with self._published(target) as temporary:
                    _link_or_copy(path, source, temporary)
            self._persist_name(target)

    def deferred_sync(self) -> FileStore:
        """Return the same folder, whose new names are durable after ``sync``."""
        return FileStore(self._root, deferred=True)

    def sync(self) -> None:
        """Sync each folder that has a new name, once."""
        while self._unsynced:
            folder = self._unsynced.pop()
            with translated_writing(folder.name, folder, self._root):
                _sync_folder(folder)

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """Return the bytes of a file."""
        target = self.path(key)
        with translated_reading(key, target), open(target, "rb") as file:
            data = file.read() if max_bytes is None else file.read(max_bytes + 1)
        if max_bytes is not None and len(data) > max_bytes:
            raise ObjectTooLarge(f"object {key} has more than {max_bytes} bytes, the limit here")
        return data

    def get_file(self, key: str, path: Path) -> None:
        """Copy a file, never link it: whoever writes into the copy must not change the object."""
        target = self.path(key)
        with translated_reading(key, target), open(target, "rb") as source, open_target(path) as file:
            shutil.copyfileobj(source, file, _COMPARE_BYTES)

    def size(self, key: str) -> int | None:
        """Return the size of a file; None for a directory, which is not an object."""
        target = self.path(key)
        try:
            with translated_reading(key, target):
                status = target.stat()
        except MissingObject:
            return None
        return None if stat.S_ISDIR(status.st_mode) else status.st_size

    def delete(self, key: str) -> None:
        """Delete the file. Other hard links to it stay valid."""
        target = self.path(key)
        with suppress(MissingObject), translated_reading(key, target):
            target.unlink()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Walk the folders in the order of the keys. A file that disappears meanwhile is skipped."""
        check_prefix(prefix)
        folder, _, stem = prefix.rpartition("/")
        if folder.partition("/")[0] == _TEMPORARY:
            return
        yield from self._walk(folder + "/" if folder else "", stem)

    def path(self, key: str) -> Path:
        """Return the path of the object, whether it exists or not."""
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
        """Return None: a folder has no server that could answer a URL."""
        return None

    def presigned_put(self, key: str, size: int, *, expires_seconds: int) -> str | None:
        """Return None: a folder has no server that could take a file."""
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
        """Return the names in a folder, sorted like keys: a folder's name includes its slash."""
        directory = self._root / folder
        try:
            with translated_reading(folder, directory), os.scandir(directory) as entries:
                children = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except MissingObject:
            return []
        named = [pair for pair in children if _is_key(folder + pair[0]) and folder + pair[0] != _TEMPORARY]
        return sorted(named, key=lambda pair: pair[0] + "/" if pair[1] else pair[0])

    def _info(self, key: str) -> ObjectInfo | None:
        """Describe one file. Its age is that of the inode, since a link keeps the old ``mtime`` of its source."""
        target = self._root / key
        try:
            with translated_reading(key, target):
                status = target.stat()
        except MissingObject:
            return None
        if not stat.S_ISREG(status.st_mode):  # a symbolic link is not followed
            return None
        modified_at = datetime.fromtimestamp(status.st_ctime, UTC)
        etag = f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"
        return ObjectInfo(key, status.st_size, modified_at, etag)

    def _temporary(self) -> Path:
        """Return a new temporary path on the same file system as the objects."""
        folder = self._root / _TEMPORARY
        self._make_folder(folder)
        if not self._swept:
            self._swept = True
            _remove_stale(folder)
        return folder / uuid.uuid4().hex

    @contextmanager
    def _published(self, target: Path) -> Iterator[Path]:
        """Yield a temporary path for the block to write durably; then rename it to the target."""
        temporary = self._temporary()
        try:
            yield temporary
            self._make_folder(target.parent)
            os.replace(temporary, target)
        finally:
            # Rename does nothing, by the rules of POSIX, when both names are the same file already: then
            # the temporary name is still there.
            temporary.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and its parents."""
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self._persist_name(folder)

    def _persist_name(self, path: Path) -> None:
        """Make a name durable, now or in ``sync``; also an existing name, whose writer may not have synced it yet."""
        if self._deferred:
            self._unsynced.add(path.parent)
        else:
            _sync_folder(path.parent)


def _link_or_copy(path: Path, source: BinaryIO, temporary: Path) -> None:
    try:
        # Sync before linking, which changes the inode: a photo that was written long ago then costs nothing.
        _sync_data(source.fileno())
        # Resolve first: Linux would link to the symbolic link itself.
        os.link(path.resolve(strict=True), temporary)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        source.seek(0)
        with open(temporary, "xb") as file:
            shutil.copyfileobj(source, file, _COMPARE_BYTES)
            _sync(file)


def _has_bytes(target: Path, data: bytes) -> bool:
    """Return whether the file exists with exactly these bytes."""
    try:
        return target.stat().st_size == len(data) and target.read_bytes() == data
    except OSError:
        return False  # writing will raise the error, if there is one


def _has_same_bytes(target: Path, source: BinaryIO) -> bool:
    """Return whether the file exists with exactly the bytes of ``source``."""
    try:
        with open(target, "rb") as existing:
            if os.path.sameopenfile(existing.fileno(), source.fileno()):
                return True
            if os.fstat(existing.fileno()).st_size != os.fstat(source.fileno()).st_size:
                return False
            while block := source.read(_COMPARE_BYTES):
                if existing.read(_COMPARE_BYTES) != block:
                    return False
            return True
    except OSError:
        return False


def _reset_age(target: Path) -> bool:
    """Reset the age of an object without changing it, so that the sweep of orphans leaves it alone.

    Writing a file's own times again changes only its ``ctime``. Returns False when the file belongs to another user.
    """
    try:
        status = target.stat()
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError:
        return False
    return True


_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


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
    """Remove temporary files of killed processes; a live process finishes long before a day."""
    oldest = time.time() - _TEMPORARY_MAX_AGE_SECONDS
    for path in folder.iterdir():
        with suppress(OSError):  # gone already, or another user's
            if path.lstat().st_ctime < oldest:
                path.unlink()


def _is_key(name: str) -> bool:
    """Return whether a file name can be a key. Some file names are not UTF-8."""
    try:
        check_key(name)
    except InvalidInput:
        return False
    return True
