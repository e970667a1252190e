"""Source copies: which object of our store holds what a URL of the web last gave.

So an image that has not changed is not sent a second time, for another look, another night or a retry:
its host is asked whether it is another now (RFC 9111, 4.3). The objects lie with the local files that
were taken in, under the merchant's own ``sources/``; a row whose object is gone is harmless.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class SourceCopy:
    """What a URL gave: the content, and the validators its host gave with it."""

    etag: str | None
    last_modified: str | None
    sha256: str


def source_key(merchant: int, sha256: str) -> str:
    """Return the object's key of a merchant's source: the same bytes are the same object."""
    return f"sources/{merchant}/{sha256[:2]}/{sha256}"


def find_copy(connection: Connection, merchant: int, url: str) -> SourceCopy | None:
    """Return what is known of a merchant's URL."""
    row = connection.execute(
        text("""
        SELECT etag, last_modified, sha256 FROM source_copies
        WHERE merchant_id = :merchant AND url_sha256 = :url
        """),
        {"merchant": merchant, "url": _digest(url)},
    ).one_or_none()
    return None if row is None else SourceCopy(row.etag, row.last_modified, row.sha256)


def keep_copy(connection: Connection, merchant: int, url: str, copy: SourceCopy) -> None:
    """Remember what a URL gave; the newest wins."""
    connection.execute(
        text("""
        INSERT INTO source_copies (merchant_id, url_sha256, etag, last_modified, sha256)
        VALUES (:merchant, :url, :etag, :last_modified, :sha256)
        ON CONFLICT (merchant_id, url_sha256) DO UPDATE SET
            etag = excluded.etag, last_modified = excluded.last_modified, sha256 = excluded.sha256,
            fetched_at = clock_timestamp()
        """),
        {"merchant": merchant, "url": _digest(url)} | copy.__dict__,
    )


def _digest(url: str) -> str:
    # URLs are longer than an index row may be, and may carry signatures.
    return hashlib.sha256(url.encode()).hexdigest()
