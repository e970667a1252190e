"""The photos that runs learn from: fresh catalogue images of merchants who consent, each content once.

They are read where styling left them, in the merchant's own ``sources/``; no copy is kept. What a run has learnt
from is on record by hash, and goes with its merchant.
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
"""Fewer have nothing to learn from, or nothing held out."""

POOL = 10
"""So many times as many images as wanted are looked at, of each merchant, since their contents may repeat."""


@dataclass(frozen=True)
class SourcePhoto:
    """A photo in the object store, under its merchant's sources."""

    merchant_id: int
    sha256: str

    @property
    def key(self) -> str:
        """The object's key."""
        return source_key(self.merchant_id, self.sha256)


# An image that was never fetched has no object yet; one in a bucket of the merchant's has none of ours.
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
    """Return the newest photos of each merchant who consents, taking turns, each content once."""
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
    """Count what ``fresh_photos`` would return."""
    return len(fresh_photos(connection, most))


def own_photos(store: ObjectStore, merchant: int, most: int) -> list[SourcePhoto]:
    """Return some of what a merchant sent, for styles of his own. Keys are hashes: the first are a fair sample."""
    listed = islice(store.list(f"sources/{merchant}/"), most)
    return [SourcePhoto(merchant, info.key.rpartition("/")[2]) for info in listed]


def photos_of(connection: Connection, run_id: UUID) -> list[SourcePhoto]:
    """Return the photos that a run learns from, by hash, as far as their merchants are still there."""
    rows = connection.execute(
        text("SELECT merchant_id, sha256 FROM training_photos WHERE run_id = :run ORDER BY sha256"), {"run": run_id}
    )
    return [SourcePhoto(*row) for row in rows]


def agreed_photos(connection: Connection, run_id: UUID) -> list[SourcePhoto]:
    """Return the photos that a run learns from, by hash, of merchants who agree still."""
    rows = connection.execute(
        text("""
        SELECT p.merchant_id, p.sha256 FROM training_photos p JOIN merchants m ON m.id = p.merchant_id
        WHERE p.run_id = :run AND m.consents_to_training AND m.erasing_at IS NULL ORDER BY p.sha256
        """),
        {"run": run_id},
    )
    return [SourcePhoto(*row) for row in rows]


def all_agree(connection: Connection, merchants: Sequence[int]) -> bool:
    """Say whether all these merchants let their photos be learnt from; nobody withdraws before the transaction ends."""
    rows = connection.execute(
        text("SELECT consents_to_training AND erasing_at IS NULL FROM merchants WHERE id = ANY(:ids) FOR SHARE"),
        {"ids": list(merchants)},
    )
    agreed = list(rows.scalars())
    return all(agreed) and len(agreed) == len(set(merchants))


def data_hash(hashes: Iterable[str]) -> str:
    """Name a set of photos by their hashes, in whatever order."""
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def withdraw(connection: Connection, merchant: int) -> int:
    """Fail everybody's runs that are under way and learn from a merchant's photos; return how many.

    One that has its candidate is finished without them.
    """
    done = connection.execute(
        text("""
        UPDATE training_runs r SET state = 'failed', code = 'consent_withdrawn', lease_expires_at = NULL,
            message = 'a merchant whose photos were learnt from withdrew them: queue another run',
            finished_at = clock_timestamp()
        WHERE finished_at IS NULL AND r.merchant_id IS NULL AND state <> 'comparing'
          AND EXISTS (SELECT FROM training_photos p WHERE p.run_id = r.id AND p.merchant_id = :merchant)
        """),
        {"merchant": merchant},
    )
    return done.rowcount
