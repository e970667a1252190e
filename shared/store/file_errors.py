"""Translate errors of the operating system into the errors of the store."""

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
    """Translate errors of reading or deleting a file into MissingObject or StoreUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise MissingObject(f"the store has no object {key} ({target})") from error
        raise _unavailable(error, target) from error


@contextmanager
def translated_writing(key: str, target: Path, root: Path) -> Iterator[None]:
    """Translate errors of writing a file into InvalidInput or StoreUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidInput(f"object key {key} is too long for {root}", code="invalid_key") from error
        if error.errno in _NAME_TAKEN and root.is_dir():
            message = f"object key {key!r} would be both a folder and a file in {root}: choose another key"
            raise InvalidInput(message, code="invalid_key") from error
        raise _unavailable(error, target) from error


def _unavailable(error: OSError, target: Path) -> StoreUnavailable:
    place = error.filename or target
    if error.errno in _DISK_FULL:
        return StoreUnavailable(f"the disk under the store is full (at {place}): free some space")
    if error.errno in (errno.EACCES, errno.EPERM):
        return StoreUnavailable(f"no permission for {place}: allow this user to read and write there")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StoreUnavailable(f"the store failed at {place}: {reason}")
