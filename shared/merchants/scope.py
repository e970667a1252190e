"""The scope of a merchant: the one way in for whatever is asked in a merchant's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from shared.database import confine, transaction
from shared.merchants.merchants import merchant_id

NOBODY = 0
"""No merchant's id: whoever is confined to it sees what is public."""


@contextmanager
def scope(engine: Engine, name: str) -> Iterator[tuple[Connection, int]]:
    """Open a transaction that is confined to the rows of the merchant of that name; yield it with the merchant's id.

    Where the id is known, as from an API key, ``transaction(engine, merchant=id)`` is the same.
    """
    with transaction(engine) as connection:
        merchant = merchant_id(connection, name)
        confine(connection, merchant)
        yield connection, merchant


@contextmanager
def styles_scope(engine: Engine, name: str | None) -> Iterator[tuple[Connection, int | None]]:
    """As ``scope``, for what can be done without being a merchant (None): then only what is public is there."""
    if name is None:
        with transaction(engine, merchant=NOBODY) as connection:
            yield connection, None
    else:
        with scope(engine, name) as (connection, merchant):
            yield connection, merchant
