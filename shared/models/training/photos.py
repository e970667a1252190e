"""Choose the photos that runs learn from: new catalogue images of consenting merchants, each content once.

They are read from the merchant's own ``sources/``, where styling stored them; no copy is made. The photos of a
run are recorded by hash. The record is erased with the merchant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from sqlalchemy import Connection, text

from shared.source_copies import source_key
from shared.store import ObjectStore

LEAST_PHOTOS = 12
"""Smallest number of photos for training with a held-out part."""

POOL = 10
"""Images examined per wanted photo and merchant, since several images may have the same content."""


@dataclass(frozen=True)
class SourcePhoto:
    """Photo in the object store, under its merchant's sources."""

    merchant_id: int
    sha256: str

    @property
    def key(self) -> str:
        """Return the object's key."""
        return source_key(self.merchant_id, self.sha256)


# An image that was never fetched has no object yet; one in a merchant's bucket has no object in the store.
FRESH = """
SELECT DISTINCT ON (i.sha256) i.* FROM merchants m CROSS JOIN LATERAL (
    SELECT n.merchant_id, n.changed_at, n.id, n.sku, n.category, n.collection,
           CASE WHEN n.source LIKE 'store:sources/%' THEN right(n.source, 64) ELSE (
               SELECT c.sha256 FROM source_copies c
               WHERE c.merchant_id = n.merchant_id
                 AND c.url_sha256 = encode(sha256(convert_to(n.source, 'UTF8')), 'hex')) END AS sha256
    FROM (SELECT * FROM catalog_images WHERE merchant_id = m.id AND removed_at IS NULL
          ORDER BY changed_at DESC, id DESC LIMIT :pool) n
) i
WHERE m.consents_to_training AND m.erasing_at IS NULL AND i.sha256 IS NOT NULL
ORDER BY i.sha256, i.changed_at DESC, i.id DESC
"""


def fresh_photos(connection: Connection, most: int) -> list[SourcePhoto]:
    """Return the newest photos of consenting merchants, alternating between merchants, each content once."""
    rows = connection.execute(
        text(f"""
        SELECT merchant_id, sha256
        FROM (SELECT *, row_number() OVER (PARTITION BY merchant_id ORDER BY changed_at DESC, id DESC) AS place
              FROM ({FRESH}) fresh) ordered
        ORDER BY place, changed_at DESC, id LIMIT :most
        """),
        {"most": most, "pool": POOL * most},
    )
    return [SourcePhoto(*row) for row in rows]


def count_photos(connection: Connection, most: int) -> int:
    """Count the photos that ``fresh_photos`` would return."""
    return len(fresh_photos(connection, most))


def own_photos(store: ObjectStore, merchant: int, most: int) -> list[SourcePhoto]:
    """Return some of a merchant's photos, for own styles. Keys are hashes, so the first are a fair sample."""
    listed = islice(store.list(f"sources/{merchant}/"), most)
    return [SourcePhoto(merchant, info.key.rpartition("/")[2]) for info in listed]


def photos_of(connection: Connection, run_id: UUID) -> list[SourcePhoto]:
    """Return the photos that a run learns from, by hash, except those of erased merchants."""
    rows = connection.execute(
        text("SELECT merchant_id, sha256 FROM training_photos WHERE run_id = :run ORDER BY sha256"), {"run": run_id}
    )
    return [SourcePhoto(*row) for row in rows]


def agreed_photos(connection: Connection, run_id: UUID) -> list[SourcePhoto]:
    """Return the photos that a run learns from, by hash, of merchants who still consent."""
    rows = connection.execute(
        text("""
        SELECT p.merchant_id, p.sha256 FROM training_photos p JOIN merchants m ON m.id = p.merchant_id
        WHERE p.run_id = :run AND m.consents_to_training AND m.erasing_at IS NULL ORDER BY p.sha256
        """),
        {"run": run_id},
    )
    return [SourcePhoto(*row) for row in rows]


def all_agree(connection: Connection, merchants: Sequence[int]) -> bool:
    """Return whether all these merchants consent to training. None can withdraw before the transaction ends."""
    rows = connection.execute(
        text("SELECT consents_to_training AND erasing_at IS NULL FROM merchants WHERE id = ANY(:ids) FOR SHARE"),
        {"ids": list(merchants)},
    )
    agreed = list(rows.scalars())
    return all(agreed) and len(agreed) == len(set(merchants))


def data_hash(hashes: Iterable[str]) -> str:
    """Return the hash of a set of photos, given by their hashes in any order."""
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def withdraw(connection: Connection, merchant: int) -> int:
    """Fail the shared runs in progress that learn from a merchant's photos; return how many.

    A run with a candidate finishes without these photos.
    """
    failed = connection.execute(
        text("""
        UPDATE training_runs r SET state = 'failed', code = 'consent_withdrawn', lease_expires_at = NULL,
            message = 'a merchant withdrew consent to training on photos of this run: queue another run',
            finished_at = clock_timestamp()
        WHERE finished_at IS NULL AND r.merchant_id IS NULL AND state <> 'comparing'
          AND EXISTS (SELECT FROM training_photos p WHERE p.run_id = r.id AND p.merchant_id = :merchant)
        """),
        {"merchant": merchant},
    )
    return failed.rowcount
