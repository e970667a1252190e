"""What belongs to a merchant: rows of which tables, and objects under which keys. Export and erasure go by it.

Found from the tables themselves, so that a new one that names a merchant is neither kept nor left out by mistake.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Table, text

from shared.store import ObjectInfo, ObjectStore
from shared.tables import audit, merchants, metadata

PREFIXES = ("renditions/{}/", "sources/{}/")
"""Where objects of one merchant alone lie, by his number."""


def belongings() -> dict[str, str]:
    """Return the tables with rows of merchants, named ones before those that name them, and which are ``:merchant``'s.

    The audit log is none: its entries stay.
    """
    return {table.name: whose for table in metadata.sorted_tables if (whose := _condition(table)) and table != audit}


def _condition(table: Table) -> str | None:
    if table == merchants:
        return "id = :merchant"
    # By way of these first, since there are indexes for that.
    for column, parent in (("batch_id", "batches"), ("style_id", "styles")):
        if column in table.c and not table.c[column].nullable:
            return f"{column} IN (SELECT id FROM {parent} WHERE merchant_id = :merchant)"
    return "merchant_id = :merchant" if "merchant_id" in table.c else None


def count_rows(connection: Connection, merchant: int) -> dict[str, int]:
    """Count a merchant's rows by table, leaving out where there are none."""
    counts = {
        table: connection.execute(text(f"SELECT count(*) FROM {table} WHERE {whose}"), {"merchant": merchant})
        for table, whose in belongings().items()
    }
    return {table: rows for table, found in counts.items() if (rows := int(found.scalar_one()))}


def own_objects(store: ObjectStore, merchant: int) -> Iterator[ObjectInfo]:
    """Yield the objects under the merchant's prefixes."""
    for prefix in PREFIXES:
        yield from store.list(prefix.format(merchant))


def own_style_objects(connection: Connection, merchant: int) -> list[str]:
    """Return the keys of rows and pictures of the merchant's own styles; another's style may have the same."""
    rows = connection.execute(
        text("""
        SELECT r.object_key FROM style_rows r JOIN styles s ON s.id = r.style_id WHERE s.merchant_id = :merchant
        UNION SELECT 'pictures/' || picture FROM styles s, unnest(s.pictures) picture WHERE s.merchant_id = :merchant
        """),
        {"merchant": merchant},
    )
    return list(rows.scalars())
