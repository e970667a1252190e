"""Parts of uploads in the object store: one object each, until the upload expires.

Parts are plain objects rather than S3's multipart uploads: so both stores behave alike, a part that is sent again
replaces itself, a listing tells which are there, and what is never completed is found by its key.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from uuid import UUID

from shared.errors import Conflict, MissingObject
from shared.store import ObjectStore
from shared.uploads.uploads import Upload

PART_BYTES = 4 * 2**20
"""Size of a part that is sent to the API, which is the API's limit of a body."""

DIRECT_PART_BYTES = 16 * 2**20
"""Size of a part that is sent to the store itself."""

LINK_SECONDS = 600
"""Time in which a part may be sent to a signed address. Asking for the upload again gives new ones."""

_NUMBER = re.compile(r"[0-9]{6}")


def part_key(upload: Upload, number: int) -> str:
    """Return the key of a part, counted from 1."""
    return f"{_folder(upload.merchant_id, upload.id)}{number:06}"


def received_parts(store: ObjectStore, upload: Upload) -> set[int]:
    """Return the numbers of the parts that are there with the right size."""
    sizes = upload.part_sizes
    received = set()
    for entry in store.list(_folder(upload.merchant_id, upload.id)):
        name = entry.key.rpartition("/")[2]
        if _NUMBER.fullmatch(name) and 1 <= int(name) <= len(sizes) and entry.bytes == sizes[int(name) - 1]:
            received.add(int(name))
    return received


def copy_content(store: ObjectStore, upload: Upload, path: Path) -> str:
    """Write all parts to a new local file, one part in memory at a time; return the sha256 of the whole.

    Raises Conflict, ``upload_incomplete``, if a part is missing or has another size.
    """
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for number, size in enumerate(upload.part_sizes, 1):
            try:
                data = store.get(part_key(upload, number), max_bytes=size)
            except MissingObject:
                data = b""
            if len(data) != size:
                raise incomplete(upload, [number])
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def incomplete(upload: Upload, missing: list[int]) -> Conflict:
    """Return the error for an upload whose parts are not all there."""
    shown = ", ".join(map(str, missing[:10])) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
    return Conflict(
        f"upload {upload.id} ({upload.name}) lacks parts {shown} of {len(upload.part_sizes)}: send them",
        code="upload_incomplete",
    )


def remove_parts(store: ObjectStore, merchant: int, upload_id: UUID) -> None:
    """Delete all parts of an upload."""
    for entry in list(store.list(_folder(merchant, upload_id))):
        store.delete(entry.key)


def _folder(merchant: int, upload_id: UUID) -> str:
    return f"uploads/{merchant}/{upload_id}/"
