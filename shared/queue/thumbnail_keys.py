"""Keys of thumbnails in the object store, and the pictures that they are made from."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class FinishedPicture:
    """One rendition of a finished job, and the photo that it was made from, by the SHA-256 of its file."""

    merchant_id: int
    preset: str
    object_key: str
    source_sha256: str

    def rendition_thumbnail(self, side_px: int) -> str:
        """Return the key of the rendition's thumbnail, ``thumbnails/MERCHANT/SIDE/…`` as the rendition is called."""
        own = self.object_key.removeprefix(f"renditions/{self.merchant_id}/")
        return f"thumbnails/{self.merchant_id}/{side_px}/{own}"

    def photo_thumbnail(self, side_px: int) -> str:
        """Return the key of the photo's thumbnail."""
        return f"thumbnails/{self.merchant_id}/{side_px}/photos/{self.source_sha256}"


def finished_pictures(connection: Connection, batch_id: UUID, ordinal: int) -> list[FinishedPicture]:
    """Return the renditions of a job by preset; none where it has not succeeded."""
    rows = connection.execute(
        text("""
        SELECT r.merchant_id, l.preset, r.object_key, r.source_sha256
        FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
        WHERE l.batch_id = :batch AND l.ordinal = :ordinal ORDER BY l.preset
        """),
        {"batch": batch_id, "ordinal": ordinal},
    )
    return [FinishedPicture(*row) for row in rows]
