"""Open transactions that are confined to the rows of one merchant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from shared.database import confine, transaction
from shared.merchants.merchants import merchant_id

NO_MERCHANT = 0
"""Id of no merchant: a transaction confined to it sees only public rows."""


@contextmanager
def scope(engine: Engine, name: str) -> Iterator[tuple[Connection, int]]:
    """Open a transaction confined to the rows of the named merchant. Yields it with the merchant's id.

    Where the id is known, as from an API key, use ``transaction(engine, merchant=id)``.
    """
    with transaction(engine) as connection:
        merchant = merchant_id(connection, name)
        confine(connection, merchant)
        yield connection, merchant


@contextmanager
def styles_scope(engine: Engine, name: str | None) -> Iterator[tuple[Connection, int | None]]:
    """Open a scope for the named merchant or, for None, one that sees only public rows."""
    if name is None:
        with transaction(engine, merchant=NO_MERCHANT) as connection:
            yield connection, None
    else:
        with scope(engine, name) as (connection, merchant):
            yield connection, merchant
