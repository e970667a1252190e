"""Remember which stored object contains what a URL last returned.

So an unchanged image is not sent again for another look, another night or a retry: its host is asked whether it
has changed (RFC 9111, 4.3). The objects are stored with the merchant's local files under ``sources/``; a row
without its object is harmless.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.plain_text import is_storable


@dataclass(frozen=True)
class SourceCopy:
    """What a URL returned: the content, and the validators of its host."""

    etag: str | None
    last_modified: str | None
    sha256: str


def source_key(merchant: int, sha256: str) -> str:
    """Return the key of a merchant's source. Equal bytes have the same key."""
    return f"sources/{merchant}/{sha256[:2]}/{sha256}"


def find_copy(connection: Connection, merchant: int, url: str) -> SourceCopy | None:
    """Return the copy of a merchant's URL, or None."""
    row = connection.execute(
        text("""
        SELECT etag, last_modified, sha256 FROM source_copies
        WHERE merchant_id = :merchant AND url_sha256 = :url
        """),
        {"merchant": merchant, "url": _digest(url)},
    ).one_or_none()
    return None if row is None else SourceCopy(row.etag, row.last_modified, row.sha256)


def keep_copy(connection: Connection, merchant: int, url: str, copy: SourceCopy) -> None:
    """Record what a URL returned, replacing an earlier copy. A validator that cannot be stored is left out."""
    etag, last_modified = (
        value if value is None or is_storable(value) else None for value in (copy.etag, copy.last_modified)
    )
    connection.execute(
        text("""
        INSERT INTO source_copies (merchant_id, url_sha256, etag, last_modified, sha256)
        VALUES (:merchant, :url, :etag, :last_modified, :sha256)
        ON CONFLICT (merchant_id, url_sha256) DO UPDATE SET
            etag = excluded.etag, last_modified = excluded.last_modified, sha256 = excluded.sha256,
            fetched_at = clock_timestamp()
        """),
        {
            "merchant": merchant,
            "url": _digest(url),
            "etag": etag,
            "last_modified": last_modified,
            "sha256": copy.sha256,
        },
    )


def _digest(url: str) -> str:
    # Hashed, since URLs may be longer than an index row allows, and may contain signatures.
    return hashlib.sha256(url.encode()).hexdigest()
