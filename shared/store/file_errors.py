"""What the operating system says about a folder store, in our own errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import InvalidInput, MissingObject, StoreUnavailable

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
_NAME_TAKEN = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


@contextmanager
def translated_reading(key: str, target: Path) -> Iterator[None]:
    """Turn what can go wrong in reading or removing a file into MissingObject or StoreUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise MissingObject(f"the store has no object {key} ({target})") from error
        raise _unavailable(error, target) from error


@contextmanager
def translated_writing(key: str, target: Path, root: Path) -> Iterator[None]:
    """Turn what can go wrong in writing a file into InvalidInput or StoreUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidInput(f"object key {key} is too long for {root}", code="invalid_key") from error
        if error.errno in _NAME_TAKEN and root.is_dir():
            message = f"object key {key!r} would be a folder and a file at once in {root}: choose another"
            raise InvalidInput(message, code="invalid_key") from error
        raise _unavailable(error, target) from error


def _unavailable(error: OSError, target: Path) -> StoreUnavailable:
    place = error.filename or target
    if error.errno in _DISK_FULL:
        return StoreUnavailable(f"the disk under the store is full (at {place}): make room")
    if error.errno in (errno.EACCES, errno.EPERM):
        return StoreUnavailable(f"no permission for {place}: the store needs to read and write there")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StoreUnavailable(f"the store failed at {place}: {reason}")
