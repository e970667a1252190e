"""Tables of usage: what each merchant has had in each month."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Double, ForeignKey, Table, text

from shared.tables.schema import metadata


def _counter(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


# Images that ended in a month (UTC), counted in the transaction that ends them.
usage = Table(
    "usage",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("month", Date, primary_key=True),
    # Images that became a rendition which did not exist before.
    _counter("styled"),
    # Images whose renditions existed.
    _counter("reused"),
    _counter("failed"),
    # Bytes of the new renditions.
    _counter("bytes_stored"),
)

# Seconds of a slot of a worker, by month (UTC). Apart from ``usage``, since whoever adds to it holds the merchant's
# fair share and may still lock a batch, while whoever adds to ``usage`` holds a batch.
usage_seconds = Table(
    "usage_seconds",
    metadata,
    Column("merchant_id", ForeignKey("merchants.id"), primary_key=True),
    Column("month", Date, primary_key=True),
    Column("seconds", Double, nullable=False),
)
