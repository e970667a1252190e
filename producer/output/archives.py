"""Write a ZIP archive again with another content for one of its members."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from copy import copy
from typing import IO, BinaryIO

from producer.manifest.formats.archive import Archive
from shared.errors import ManifestError

_CHUNK = 1 << 20


def rewrite_archive(archive: Archive, name: str, write: Callable[[IO[bytes]], None], out: BinaryIO) -> None:
    """Write an archive to an open file: the member ``name`` by ``write``, the others as they are, in their order.

    Raises ManifestError if another member cannot be read.
    """
    with zipfile.ZipFile(out, "w", allowZip64=True) as new:
        new.comment = archive.comment
        for info in archive.members:
            entry = copy(info)
            entry.filename = info.filename
            entry.extra = b""
            is_feed = info.filename.replace("\\", "/") == name
            if info.is_dir():
                new.mkdir(entry)
                continue
            with new.open(entry, "w", force_zip64=info.file_size > zipfile.ZIP64_LIMIT // 2) as target:
                if is_feed:
                    write(target)
                else:
                    _copy_member(archive, info.filename.replace("\\", "/"), target)


def _copy_member(archive: Archive, name: str, target: IO[bytes]) -> None:
    if refusal := archive.refusal(name):
        raise ManifestError(f"the archive cannot be given back: {refusal}", code=refusal.code)
    try:
        with archive.open(name) as source:
            shutil.copyfileobj(source, target, _CHUNK)
    except OSError as error:
        raise ManifestError(
            f"the archive cannot be given back: {name} cannot be read: {error.strerror}", code="bad_archive"
        ) from error
