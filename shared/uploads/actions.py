"""Actions on uploads: begin one, put a part, remove one, and sweep those that have expired.

``producer/uploaded_files.py`` completes them, since that reads what they hold.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from shared.database import database_time, transaction
from shared.errors import Conflict, UsageError
from shared.merchants.actors import Actor, confined
from shared.merchants.merchants import require_kept
from shared.settings import Settings
from shared.store import ObjectStore
from shared.uploads import uploads
from shared.uploads.names import checked_name
from shared.uploads.parts import part_key, remove_parts
from shared.uploads.uploads import NewUpload, Upload, UploadState

SWEPT_AT_ONCE = 200


def begin_upload(engine: Engine, store: ObjectStore, settings: Settings, actor: Actor, new: NewUpload) -> Upload:
    """Begin an upload under a name like ``shoes/red.jpg``.

    In a draft the same file again is the same upload, which goes on where it broke off; another file of that name takes
    its place. Raises UsageError for a bad name or size, and Conflict, ``upload_quota``, if the merchant's uploads that
    no batch has used yet would be too many or too large.
    """
    new = replace(new, name=checked_name(new.name))
    limit = settings.max_upload_mib * 2**20
    if not 1 <= new.bytes <= limit:
        problem = "is empty" if new.bytes < 1 else f"has {new.bytes} bytes; the limit is {limit}"
        raise UsageError(f"the file {new.name} {problem}", code="bad_size")
    most_bytes = settings.upload_quota_mib * 2**20
    with confined(engine, actor) as (connection, merchant):
        files, used_bytes = uploads.unused(connection, merchant)
        earlier = uploads.find_namesake(connection, merchant, new)
        if earlier and _is_same_file(earlier, new) and earlier.expires_at > database_time(connection):
            return earlier
        if earlier:
            uploads.remove_upload(connection, merchant, earlier.id)
        if files >= settings.upload_quota_files or used_bytes + new.bytes > most_bytes:
            raise Conflict(
                f"{files} files with {used_bytes / 2**20:.0f} MiB wait to be used; the limits are "
                f"{settings.upload_quota_files} files and {settings.upload_quota_mib} MiB: make batches of them, or "
                "delete some",
                code="upload_quota",
            )
        upload = uploads.add_upload(connection, merchant, new)
        require_kept(connection, merchant)
    if earlier:
        remove_parts(store, merchant, earlier.id)
    return upload


def _is_same_file(earlier: Upload, new: NewUpload) -> bool:
    return (earlier.bytes, earlier.sha256, earlier.part_bytes) == (new.bytes, new.sha256, new.part_bytes)


def find_upload(engine: Engine, actor: Actor, upload_id: UUID) -> Upload:
    """Return an upload of the actor's merchant. Raises NotFound."""
    with confined(engine, actor) as (connection, merchant):
        return uploads.find_upload(connection, merchant, upload_id)


def require_part(upload: Upload, number: int) -> int:
    """Return the size of a part, counted from 1. Raises UsageError, or Conflict if the upload takes no more."""
    sizes = upload.part_sizes
    if not 1 <= number <= len(sizes):
        raise UsageError(f"upload {upload.id} has the parts 1 to {len(sizes)}, and no {number}", code="bad_part")
    if upload.state == UploadState.COMPLETE:
        raise Conflict(f"upload {upload.id} is complete: begin another for other content", code="upload_complete")
    return sizes[number - 1]


def put_part(store: ObjectStore, upload: Upload, number: int, path: Path) -> None:
    """Store a part from a local file, in place of an earlier one. Raises UsageError if its size is wrong."""
    expected, size = require_part(upload, number), path.stat().st_size
    if size != expected:
        raise UsageError(
            f"part {number} of upload {upload.id} has {size} bytes instead of {expected}: send it again",
            code="bad_part",
        )
    store.put_file(part_key(upload, number), path)


def remove_upload(engine: Engine, store: ObjectStore, actor: Actor, upload_id: UUID) -> None:
    """Remove an upload with its parts. Batches that were made of it stay as they are. Raises NotFound.

    The row goes first: if this is interrupted, the sweep of orphans deletes the parts.
    """
    with confined(engine, actor) as (connection, merchant):
        uploads.remove_upload(connection, merchant, upload_id)
    remove_parts(store, merchant, upload_id)


def sweep_uploads(engine: Engine, store: ObjectStore, most: int = SWEPT_AT_ONCE) -> int:
    """Remove expired uploads with their parts, at most ``most``; return how many. Two sweeps at once do no harm."""
    with transaction(engine) as connection:
        expired = uploads.remove_expired(connection, most)
    for merchant, upload_id in expired:
        remove_parts(store, merchant, upload_id)
    return len(expired)
