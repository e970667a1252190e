"""Who asks: the key in the Authorization header says for which merchant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection

from shared.database import transaction
from shared.errors import Unauthenticated
from shared.keys import find_key
from shared.session import Session

bearer = HTTPBearer(auto_error=False, description="A key from `atelier keys create`.")


@dataclass(frozen=True)
class Caller:
    """A merchant's program, and the services it is served from."""

    session: Session
    merchant_id: int
    merchant: str
    who: str

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction that sees the merchant's rows and no others."""
        with transaction(self.session.engine, merchant=self.merchant_id) as connection:
            yield connection


def session_of(request: Request) -> Session:
    """Return what the app was made with."""
    found: Session = request.app.state.session
    return found


def caller(
    session: Annotated[Session, Depends(session_of)],
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Return who asks. Raises Unauthenticated."""
    if given is None:
        raise Unauthenticated("no key: send `Authorization: Bearer KEY`, with a key from `atelier keys create`")
    with transaction(session.engine) as connection:
        key = find_key(connection, given.credentials)
    if key is None:
        raise Unauthenticated("this key opens nothing: it is unknown, expired or revoked")
    structlog.contextvars.bind_contextvars(merchant=key.merchant_id, key=key.prefix)
    return Caller(session, key.merchant_id, key.merchant, f"key {key.name}")


Asking = Annotated[Caller, Depends(caller)]
