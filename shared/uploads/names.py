"""Check the names of uploads: paths relative to the folder that was chosen, as ``shoes/red.jpg``."""

from __future__ import annotations

import unicodedata

from shared.errors import UsageError

MOST_BYTES = 1000
MOST_PART_BYTES = 200
MOST_FOLDERS = 32


def checked_name(name: str) -> str:
    """Return a name in Unicode's composed form (NFC), as most systems type it. Raises UsageError, ``bad_name``.

    A name that passes is safe below a folder of our own: it is relative, and names no folder above.
    """
    name = unicodedata.normalize("NFC", name)
    parts = name.split("/")
    if not name.isprintable() or "\\" in name:
        problem = "has characters that no file name should have"
    elif any(part.strip(". ") == "" for part in parts):
        problem = "is empty, starts with / or has a part like .. or ."
    elif len(name.encode()) > MOST_BYTES or len(parts) > MOST_FOLDERS:
        problem = f"is longer than {MOST_BYTES} bytes or {MOST_FOLDERS} folders"
    elif any(len(part.encode()) > MOST_PART_BYTES for part in parts):
        problem = f"has a part of more than {MOST_PART_BYTES} bytes"
    else:
        return name
    raise UsageError(
        f"the file name {name[:80]!r} {problem}: give a name like red.jpg or shoes/red.jpg", code="bad_name"
    )
