"""Rows of uploads: files that a merchant sends in parts, and makes batches of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, text

from shared.errors import Conflict, NotFound

UNFINISHED_HOURS = 24
"""Hours in which all parts of an upload must arrive."""

UNUSED_DAYS = 7
"""Days that a complete upload waits for a batch."""

USED_HOURS = 24
"""Hours that an upload stays after its last batch, so that an interrupted submission can be repeated."""


class UploadState(StrEnum):
    """State of an upload."""

    RECEIVING = "receiving"
    """Parts are being sent."""
    COMPLETE = "complete"
    """All parts have arrived; size, hash and kind are checked."""


class UploadKind(StrEnum):
    """What an uploaded file is."""

    PICTURE = "picture"
    ARCHIVE = "archive"
    """ZIP with pictures, and perhaps a manifest that names them."""
    MANIFEST = "manifest"
    """CSV, JSON or XML file, a feed among them."""


@dataclass(frozen=True)
class Upload:
    """File that is sent in parts of ``part_bytes``, of which the last may be smaller.

    ``sha256`` is what the sender announced, if anything; once complete, that of the content. ``kind``, and ``pixels``
    of a picture, are known once it is complete. An upload does not exist any more after ``expires_at``.
    """

    id: UUID
    merchant_id: int
    name: str
    bytes: int
    part_bytes: int
    state: str
    sha256: str | None
    kind: str | None
    pixels: int | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None

    @property
    def part_sizes(self) -> list[int]:
        """Return the bytes of each part, in order."""
        whole, rest = divmod(self.bytes, self.part_bytes)
        return [self.part_bytes] * whole + ([rest] if rest else [])


@dataclass(frozen=True)
class NewUpload:
    """File that is about to be sent in parts of ``part_bytes``; ``sha256`` if the sender knows it.

    In a ``draft``, files that are chosen together, a name stands for one file.
    """

    name: str
    bytes: int
    part_bytes: int
    sha256: str | None = None
    draft: UUID | None = None


@dataclass(frozen=True)
class Draft:
    """Files that were chosen together and not used yet, by the first name among them; ``unfinished`` were not sent."""

    draft: UUID
    name: str
    files: int
    unfinished: int
    bytes: int
    newest: datetime


@dataclass(frozen=True)
class Content:
    """What a complete upload turned out to be."""

    sha256: str
    kind: UploadKind
    pixels: int | None = None


_COLUMNS = ", ".join(Upload.__dataclass_fields__)


def add_upload(connection: Connection, merchant: int, new: NewUpload) -> Upload:
    """Record the start of an upload."""
    row = connection.execute(
        text(f"""
        INSERT INTO uploads (id, merchant_id, name, bytes, part_bytes, state, draft, sha256, expires_at)
        VALUES (:id, :merchant, :name, :bytes, :part_bytes, 'receiving', :draft, :sha256,
                clock_timestamp() + make_interval(hours => :hours))
        RETURNING {_COLUMNS}
        """),
        {
            "id": uuid4(),
            "merchant": merchant,
            "name": new.name,
            "bytes": new.bytes,
            "part_bytes": new.part_bytes,
            "draft": new.draft,
            "sha256": new.sha256,
            "hours": UNFINISHED_HOURS,
        },
    )
    return _upload(row.one())


def find_upload(connection: Connection, merchant: int, upload_id: UUID) -> Upload:
    """Return a merchant's upload. Raises NotFound."""
    return find_uploads(connection, merchant, [upload_id])[0]


def find_uploads(connection: Connection, merchant: int, ids: Collection[UUID]) -> list[Upload]:
    """Return a merchant's uploads in the order of their ids. Raises NotFound, which names the first that is missing."""
    rows = connection.execute(
        text(f"""
        SELECT {_COLUMNS} FROM uploads
        WHERE merchant_id = :merchant AND id = ANY(:ids) AND expires_at > clock_timestamp()
        """),
        {"merchant": merchant, "ids": list(ids)},
    )
    uploads = {row.id: _upload(row) for row in rows}
    for upload_id in ids:
        if upload_id not in uploads:
            raise NotFound(f"no upload {upload_id}: it has expired, or never was; send the file again")
    return [uploads[upload_id] for upload_id in ids]


def find_namesake(connection: Connection, merchant: int, new: NewUpload) -> Upload | None:
    """Return the upload of the same name in the same draft, if there is one, expired or not."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM uploads WHERE merchant_id = :merchant AND draft = :draft AND name = :name"),
        {"merchant": merchant, "draft": new.draft, "name": new.name},
    ).one_or_none()
    return None if row is None else _upload(row)


def list_draft(connection: Connection, merchant: int, draft: UUID) -> list[Upload]:
    """Return the uploads of a draft by name."""
    rows = connection.execute(
        text(f"""
        SELECT {_COLUMNS} FROM uploads
        WHERE merchant_id = :merchant AND draft = :draft AND expires_at > clock_timestamp()
        ORDER BY name
        """),
        {"merchant": merchant, "draft": draft},
    )
    return [_upload(row) for row in rows]


def list_drafts(connection: Connection, merchant: int, limit: int) -> list[Draft]:
    """Return a merchant's drafts that no batch has used, newest first."""
    rows = connection.execute(
        text("""
        SELECT draft, min(name) AS name, count(*) AS files, count(*) FILTER (WHERE state = 'receiving') AS unfinished,
               CAST(sum(bytes) AS bigint) AS bytes, max(created_at) AS newest
        FROM uploads
        WHERE merchant_id = :merchant AND draft IS NOT NULL AND used_at IS NULL AND expires_at > clock_timestamp()
        GROUP BY draft ORDER BY newest DESC LIMIT :limit
        """),
        {"merchant": merchant, "limit": limit},
    )
    return [Draft(**row._mapping) for row in rows]


def list_uploads(connection: Connection, merchant: int, limit: int, before: UUID | None = None) -> list[Upload]:
    """Return a merchant's uploads that no batch has used yet, newest first, after the cursor ``before``."""
    rows = connection.execute(
        text(f"""
        SELECT {_COLUMNS} FROM uploads u
        WHERE merchant_id = :merchant AND expires_at > clock_timestamp() AND used_at IS NULL
          AND (CAST(:before AS uuid) IS NULL OR (created_at, id) <
               (SELECT b.created_at, b.id FROM uploads b WHERE b.id = :before AND b.merchant_id = :merchant))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """),
        {"merchant": merchant, "limit": limit, "before": before},
    )
    return [_upload(row) for row in rows]


def unused(connection: Connection, merchant: int) -> tuple[int, int]:
    """Return number and bytes of a merchant's uploads that no batch has used yet.

    Nobody else may add one before the transaction ends, so that two at once cannot exceed a quota together.
    """
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('uploads of ' || :merchant, 0))"), {"merchant": merchant}
    )
    row = connection.execute(
        text("""
        SELECT count(*) AS files, coalesce(sum(bytes), 0) AS bytes FROM uploads
        WHERE merchant_id = :merchant AND expires_at > clock_timestamp() AND used_at IS NULL
        """),
        {"merchant": merchant},
    ).one()
    return int(row.files), int(row.bytes)


def mark_complete(connection: Connection, upload: Upload, content: Content) -> Upload:
    """Record what an upload is. If somebody else has just done so, theirs stays. Raises NotFound."""
    row = connection.execute(
        text(f"""
        UPDATE uploads SET state = 'complete', sha256 = :sha256, kind = :kind, pixels = :pixels,
            expires_at = clock_timestamp() + make_interval(days => :days)
        WHERE id = :id AND merchant_id = :merchant AND state = 'receiving'
        RETURNING {_COLUMNS}
        """),
        {
            "id": upload.id,
            "merchant": upload.merchant_id,
            "sha256": content.sha256,
            "kind": content.kind,
            "pixels": content.pixels,
            "days": UNUSED_DAYS,
        },
    ).one_or_none()
    return find_upload(connection, upload.merchant_id, upload.id) if row is None else _upload(row)


def hold_for_use(connection: Connection, merchant: int, ids: Collection[UUID]) -> list[Upload]:
    """Return complete uploads for a batch, which do not expire within the next hours. Raises NotFound, Conflict."""
    connection.execute(
        text("""
        UPDATE uploads SET expires_at = greatest(expires_at, clock_timestamp() + make_interval(hours => :hours))
        WHERE id IN (
            SELECT id FROM uploads
            WHERE merchant_id = :merchant AND id = ANY(:ids) AND expires_at > clock_timestamp()
            ORDER BY id FOR UPDATE)
        """),
        {"merchant": merchant, "ids": list(ids), "hours": USED_HOURS},
    )
    uploads = find_uploads(connection, merchant, ids)
    for upload in uploads:
        if upload.state != UploadState.COMPLETE:
            raise Conflict(
                f"upload {upload.id} ({upload.name}) is not complete: send its parts, then complete it",
                code="upload_incomplete",
            )
    return uploads


def mark_used(connection: Connection, merchant: int, ids: Collection[UUID]) -> None:
    """Record that a batch was made of uploads: they count towards no quota any more, and expire soon."""
    connection.execute(
        text("""
        UPDATE uploads SET used_at = coalesce(used_at, clock_timestamp()),
            expires_at = clock_timestamp() + make_interval(hours => :hours)
        WHERE id IN (
            SELECT id FROM uploads WHERE merchant_id = :merchant AND id = ANY(:ids) ORDER BY id FOR UPDATE)
        """),
        {"merchant": merchant, "ids": list(ids), "hours": USED_HOURS},
    )


def remove_upload(connection: Connection, merchant: int, upload_id: UUID) -> None:
    """Remove an upload's row. Raises NotFound."""
    removed = connection.execute(
        text("DELETE FROM uploads WHERE id = :id AND merchant_id = :merchant"), {"id": upload_id, "merchant": merchant}
    )
    if not removed.rowcount:
        raise NotFound(f"no upload {upload_id}")


def remove_expired(connection: Connection, most: int) -> list[tuple[int, UUID]]:
    """Remove the rows of expired uploads, oldest first; return merchant and id of each."""
    rows = connection.execute(
        text("""
        DELETE FROM uploads WHERE id IN (
            SELECT id FROM uploads WHERE expires_at < clock_timestamp()
            ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED)
        RETURNING merchant_id, id
        """),
        {"most": most},
    )
    return [(row.merchant_id, row.id) for row in rows]


def _upload(row: Row[Any]) -> Upload:
    return Upload(**row._mapping)
