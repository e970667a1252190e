"""Who asks: the key in the Authorization header says for which merchant."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy import Connection

from shared.database import transaction
from shared.errors import Unauthenticated
from shared.keys import ApiKey, find_key
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


class ForCallers(APIRoute):
    """A route that looks at the key before it reads a byte of the body, which FastAPI reads before all dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def handle_for_caller(request: Request) -> Response:
            key = await run_in_threadpool(authenticate, session_of(request), request.headers.get("authorization"))
            # Here, since what a thread binds ends with it.
            structlog.contextvars.bind_contextvars(merchant=key.merchant_id, key=key.prefix)
            request.state.caller = Caller(session_of(request), key.merchant_id, key.merchant, f"key {key.name}")
            return await handle(request)

        return handle_for_caller


def authenticate(session: Session, authorization: str | None) -> ApiKey:
    """Return the key that a request came with. Raises Unauthenticated."""
    scheme, secret = get_authorization_scheme_param(authorization)
    if scheme.lower() != "bearer":
        raise Unauthenticated("no key: send `Authorization: Bearer KEY`, with a key from `atelier keys create`")
    with transaction(session.engine) as connection:
        key = find_key(connection, secret)
    if key is None:
        raise Unauthenticated("this key opens nothing: it is unknown, expired or revoked")
    return key


def caller(request: Request, _: Annotated[object, Depends(bearer)]) -> Caller:
    """Return who asks, as a route ``ForCallers`` has found out; ``bearer`` is there for /openapi.json."""
    found: Caller = request.state.caller
    return found


Asking = Annotated[Caller, Depends(caller)]
