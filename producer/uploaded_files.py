"""Complete uploads, and open them as the manifest of a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import BinaryIO
from uuid import UUID

from producer.manifest import Manifest, open_manifest
from producer.manifest.extensions import is_image_file
from producer.manifest.uploaded import UploadedFile, UploadedPicture, open_uploads
from producer.source_intake import UNKNOWN_PIXELS, header_pixels
from shared.context import Session
from shared.errors import Conflict, InvalidInput, UsageError
from shared.merchants.actors import Actor, confined
from shared.queue.jobs import STORED
from shared.source_copies import source_key
from shared.store import ObjectStore
from shared.uploads import uploads
from shared.uploads.actions import begin_upload, find_upload, remove_upload
from shared.uploads.parts import copy_content, incomplete, part_key, received_parts, remove_parts
from shared.uploads.uploads import Content, NewUpload, Upload, UploadKind, UploadState

BY_ID = "upload:"
"""Prefix of an uploaded picture's id, where a request names an image."""


@dataclass(frozen=True)
class OpenUploads:
    """Uploads as a manifest. ``identity`` is the same for the same files; ``pixels`` are the sizes of pictures."""

    manifest: Manifest
    identity: str
    pixels: dict[str, int]


def take_file(session: Session, actor: Actor, new: NewUpload, file: BinaryIO) -> Upload:
    """Upload a file that came with a request, and complete it. Raises what beginning and completing raise."""
    upload = begin_upload(session.engine, session.store, session.settings, actor, new)
    if upload.state == UploadState.COMPLETE:
        return upload
    for number, size in enumerate(upload.part_sizes, 1):
        session.store.put(part_key(upload, number), file.read(size))
    try:
        return complete_upload(session, actor, upload.id)
    except InvalidInput:  # nothing can be made of it, so it need not stay
        remove_upload(session.engine, session.store, actor, upload.id)
        raise


def complete_upload(session: Session, actor: Actor, upload_id: UUID) -> Upload:
    """Check size, hash and kind of an upload whose parts are all there, and make it usable.

    Done again, or twice at once, it gives the same. Raises NotFound; Conflict, ``upload_incomplete`` or
    ``upload_damaged``; ManifestError for a file that no batch can be made of. A picture goes to the sources of the
    merchant at once, so that no batch need read it again.
    """
    upload = find_upload(session.engine, actor, upload_id)
    if upload.state == UploadState.COMPLETE:
        return upload
    try:
        content = _verified(session, upload)
    except Conflict:
        again = find_upload(session.engine, actor, upload_id)  # completed meanwhile, and its parts removed
        if again.state == UploadState.COMPLETE:
            return again
        raise
    with confined(session.engine, actor) as (connection, _):
        upload = uploads.mark_complete(connection, upload, content)
    if content.kind == UploadKind.PICTURE:
        remove_parts(session.store, upload.merchant_id, upload.id)
    return upload


def _verified(session: Session, upload: Upload) -> Content:
    there = received_parts(session.store, upload)
    if missing := [number for number in range(1, len(upload.part_sizes) + 1) if number not in there]:
        raise incomplete(upload, missing)
    with TemporaryDirectory(prefix="atelier-upload-") as folder:
        path = Path(folder) / PurePosixPath(upload.name).name
        digest = copy_content(session.store, upload, path)
        if upload.sha256 not in (None, digest):
            raise Conflict(
                f"upload {upload.id} ({upload.name}) has the sha256 {digest} instead of {upload.sha256}: send its "
                "parts again",
                code="upload_damaged",
            )
        if not is_image_file(path):
            manifest = UploadedFile(upload.name, path)
            open_manifest([str(path)], allow_local=False)  # raises ManifestError if nothing can be made of it
            return Content(digest, UploadKind.ARCHIVE if manifest.is_archive else UploadKind.MANIFEST)
        picture = put_picture(session, upload.merchant_id, upload.name, path)
        return Content(digest, UploadKind.PICTURE, picture.pixels)


def put_picture(session: Session, merchant: int, name: str, path: Path) -> UploadedPicture:
    """Put a local picture among a merchant's sources, by its hash. Raises UsageError if it is too large."""
    size, limit = path.stat().st_size, session.settings.max_image_mib
    if size > limit * 2**20:
        raise UsageError(
            f"the picture {name} has {size / 2**20:.1f} MiB; the limit is {limit} MiB", code="object_too_large"
        )
    with path.open("rb") as file:
        key = source_key(merchant, hashlib.file_digest(file, "sha256").hexdigest())
    session.store.put_file(key, path)
    return UploadedPicture(name, STORED + key, header_pixels(path))


@contextmanager
def opened_uploads(
    session: Session,
    actor: Actor,
    ids: Sequence[UUID],
    platform: str | None = None,
    corrections: Mapping[int, str] = MappingProxyType({}),
) -> Iterator[OpenUploads]:
    """Open complete uploads as one manifest, see ``open_uploads``.

    Archives and feeds are on a local disk until the context is left.
    Raises NotFound, Conflict if one is not complete, or ManifestError.
    """
    with confined(session.engine, actor) as (connection, merchant):
        found = uploads.hold_for_use(connection, merchant, list(dict.fromkeys(ids)))
    pictures = [upload for upload in found if upload.kind == UploadKind.PICTURE]
    sources = [_picture(upload) for upload in pictures]
    with TemporaryDirectory(prefix="atelier-uploads-") as folder:
        files = [
            _local_copy(session.store, upload, Path(folder) / str(number))
            for number, upload in enumerate(found)
            if upload.kind != UploadKind.PICTURE
        ]
        manifest = open_uploads(files, sources, platform, corrections)
        yield OpenUploads(
            manifest, _identity(found, platform, corrections), {picture.source: picture.pixels for picture in sources}
        )


def ids_named(images: Iterable[str]) -> dict[str, UUID]:
    """Return the ids of the uploads that some of ``images`` name as ``upload:ID``, by that text. Raises UsageError."""
    ids = {}
    for text in images:
        if text.startswith(BY_ID):
            try:
                ids[text] = UUID(text.removeprefix(BY_ID))
            except ValueError:
                raise UsageError(f"image {text[:80]!r} names no upload: write upload:ID", code="bad_source") from None
    return ids


def named_uploads(session: Session, actor: Actor, images: Iterable[str]) -> dict[str, UploadedPicture]:
    """Return the pictures that some of ``images`` name as ``upload:ID``, by that text.

    Raises NotFound; Conflict if one is not complete; UsageError if one is no picture.
    """
    ids = ids_named(images)
    if not ids:
        return {}
    with confined(session.engine, actor) as (connection, merchant):
        found = {one.id: one for one in uploads.hold_for_use(connection, merchant, list(dict.fromkeys(ids.values())))}
    for upload in found.values():
        if upload.kind != UploadKind.PICTURE:
            raise UsageError(
                f"upload {upload.id} ({upload.name}) is no picture: name it among `uploads`", code="bad_source"
            )
    return {text: _picture(found[upload_id]) for text, upload_id in ids.items()}


def _picture(upload: Upload) -> UploadedPicture:
    source = STORED + source_key(upload.merchant_id, upload.sha256 or "")
    return UploadedPicture(upload.name, source, upload.pixels or UNKNOWN_PIXELS)


def mark_used(session: Session, actor: Actor, ids: Sequence[UUID]) -> None:
    """Record that a batch was made of uploads."""
    with confined(session.engine, actor) as (connection, merchant):
        uploads.mark_used(connection, merchant, ids)


def _identity(found: Sequence[Upload], platform: str | None, corrections: Mapping[int, str]) -> str:
    """Return what tells these files from others, in whatever order they are named."""
    digest = hashlib.sha256((platform or "").encode())
    for name, sha256 in sorted((upload.name, upload.sha256 or "") for upload in found):
        digest.update(f"\0{name}\0{sha256}".encode())
    for line, text in sorted(corrections.items()):
        digest.update(f"\0{line}={text}".encode())
    return digest.hexdigest()


def _local_copy(store: ObjectStore, upload: Upload, folder: Path) -> UploadedFile:
    """Copy an upload to the local disk. Raises Conflict if its parts were replaced after they were checked."""
    folder.mkdir()
    path = folder / PurePosixPath(upload.name).name
    if copy_content(store, upload, path) != upload.sha256:
        raise Conflict(
            f"upload {upload.id} ({upload.name}) has changed since it was completed: upload it again",
            code="upload_damaged",
        )
    return UploadedFile(upload.name, path)
