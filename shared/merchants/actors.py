"""Actors: who acts, for which merchant, and what they may do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection, Engine

from shared.database import transaction
from shared.errors import NotAllowed, UsageError
from shared.merchants import audit
from shared.merchants.merchants import merchant_id
from shared.merchants.scope import scope, styles_scope


class Role(StrEnum):
    """Role of an actor, which decides what it may do."""

    OPERATOR = "operator"
    """Runs commands on this installation, and may do everything for every merchant."""
    ADMIN = "admin"
    """Has an admin's API key, and may do what concerns all merchants or one of them."""
    MERCHANT = "merchant"
    """Has a merchant's API key, and may do what concerns this merchant only."""


@dataclass(frozen=True)
class Actor:
    """Who acts.

    ``name`` appears in the audit log. ``merchant`` is the merchant concerned: the id of a key's merchant, or a name
    from a command line; None means all merchants.
    """

    role: Role
    name: str
    merchant: int | str | None = None

    def acting_for(self, merchant: int | str | None) -> Actor:
        """Return this actor with another merchant to act for. Raises NotAllowed for a merchant's key."""
        self.require_admin()
        return replace(self, merchant=merchant)

    def require_merchant(self, merchant: int) -> None:
        """Raise NotAllowed where this is the key of another merchant."""
        if self.role is Role.MERCHANT and self.merchant != merchant:
            raise NotAllowed("a merchant's key acts for its merchant only")

    def require_admin(self) -> None:
        """Raise NotAllowed unless this is an operator or an admin."""
        if self.role is Role.MERCHANT:
            raise NotAllowed("only an operator or an admin may do this; a merchant's key acts for its merchant only")


def operator(merchant: str | None = None) -> Actor:
    """Return the account that runs this process as an actor, for one merchant or for all."""
    return Actor(Role.OPERATOR, audit.operator(), merchant)


@contextmanager
def confined(engine: Engine, actor: Actor) -> Iterator[tuple[Connection, int]]:
    """Open a transaction confined to the rows of the actor's merchant; yield it with the merchant's id."""
    merchant = _merchant(actor)
    if isinstance(merchant, str):
        with scope(engine, merchant) as found:
            yield found
    else:
        with transaction(engine, merchant=merchant) as connection:
            yield connection, merchant


@contextmanager
def unconfined(engine: Engine, actor: Actor) -> Iterator[tuple[Connection, int]]:
    """Open a transaction that may change the row of the actor's merchant itself; yield it with the merchant's id.

    Row-level security only lets a confined transaction read that row.
    """
    merchant = _merchant(actor)
    with transaction(engine) as connection:
        yield connection, merchant_id(connection, merchant) if isinstance(merchant, str) else merchant


@contextmanager
def administering(engine: Engine, actor: Actor) -> Iterator[Connection]:
    """Open a transaction over the rows of all merchants. Raises NotAllowed for a merchant's key."""
    actor.require_admin()
    with transaction(engine) as connection:
        yield connection


@contextmanager
def owning(engine: Engine, actor: Actor) -> Iterator[tuple[Connection, int | None]]:
    """Open a transaction for what is to be the merchant's own, or public where the actor names none.

    Yields it with the owner's id or None; without an owner it sees public rows only. Raises NotAllowed where a
    merchant's key would make something public.
    """
    if actor.merchant is None:
        actor.require_admin()
        with styles_scope(engine, None) as found:
            yield found
    else:
        with confined(engine, actor) as (connection, merchant):
            yield connection, merchant


def _merchant(actor: Actor) -> int | str:
    if actor.merchant is None:
        raise UsageError("give the merchant that this concerns")
    return actor.merchant
