"""Find what belongs to a merchant: rows by table, and objects by key. Export and erasure use it.

It is derived from the tables themselves, so that no new table with merchants' rows can be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Table, text

from shared.store import ObjectInfo, ObjectStore
from shared.tables import audit, merchants, metadata

PREFIXES = (
    "renditions/{}/",
    "sources/{}/",
    "feeds/{}/",
    "backgrounds/{}/",
    "uploads/{}/",
    "thumbnails/{}/",
)
"""Prefixes of objects that belong to one merchant, with a place for the merchant's id."""


def belongings() -> dict[str, str]:
    """Return the tables with merchants' rows, each with a condition for ``:merchant``. Parents precede children.

    The audit log is not among them: its entries stay.
    """
    return {table.name: whose for table in metadata.sorted_tables if (whose := _condition(table)) and table != audit}


def _condition(table: Table) -> str | None:
    if table == merchants:
        return "id = :merchant"
    # These columns first, since they have indexes.
    for column, parent in (("batch_id", "batches"), ("style_id", "styles")):
        if column in table.c and not table.c[column].nullable:
            return f"{column} IN (SELECT id FROM {parent} WHERE merchant_id = :merchant)"
    return "merchant_id = :merchant" if "merchant_id" in table.c else None


def count_rows(connection: Connection, merchant: int) -> dict[str, int]:
    """Count a merchant's rows by table, leaving out empty tables."""
    counts = {
        table: connection.execute(text(f"SELECT count(*) FROM {table} WHERE {whose}"), {"merchant": merchant})
        for table, whose in belongings().items()
    }
    return {table: rows for table, count in counts.items() if (rows := int(count.scalar_one()))}


def own_objects(store: ObjectStore, merchant: int) -> Iterator[ObjectInfo]:
    """Yield the objects under the merchant's prefixes."""
    for prefix in PREFIXES:
        yield from store.list(prefix.format(merchant))


def own_style_objects(connection: Connection, merchant: int) -> list[str]:
    """Return the keys of vectors and pictures of the merchant's own styles. Other styles may share them."""
    rows = connection.execute(
        text("""
        SELECT r.object_key FROM style_rows r JOIN styles s ON s.id = r.style_id WHERE s.merchant_id = :merchant
        UNION SELECT 'pictures/' || picture FROM styles s, unnest(s.pictures) picture WHERE s.merchant_id = :merchant
        """),
        {"merchant": merchant},
    )
    return list(rows.scalars())
