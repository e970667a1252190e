"""Digests: what identifies an input, for resuming an interrupted submission."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from shared.errors import ManifestError


def file_digest(kind: str, path: Path) -> str:
    """Return the sha256 of a file's kind, place and content."""
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}", code="manifest_unreadable") from error
    place = os.fsencode(path.absolute())
    return hashlib.sha256(b"\0".join([kind.encode(), place, content.encode()])).hexdigest()
