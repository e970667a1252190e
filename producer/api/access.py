"""Authenticate callers: the key in the Authorization header identifies a merchant or an admin."""

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

from shared.context import Session
from shared.database import transaction
from shared.errors import NotAllowed, Unauthenticated
from shared.merchants.actors import Actor, Role
from shared.merchants.keys import ApiKey, find_key

bearer = HTTPBearer(auto_error=False, description="Key from `atelier keys create`.")


@dataclass(frozen=True)
class Caller:
    """A merchant's program, and the services that answer it."""

    session: Session
    merchant_id: int
    merchant: str
    who: str

    @property
    def actor(self) -> Actor:
        """The key's holder, in the name of its merchant."""
        return Actor(Role.MERCHANT, self.who, self.merchant_id)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction confined to the merchant's rows."""
        with transaction(self.session.engine, merchant=self.merchant_id) as connection:
            yield connection


@dataclass(frozen=True)
class Admin:
    """An admin or an admin's program, and the services that answer it."""

    session: Session
    who: str

    @property
    def actor(self) -> Actor:
        """The key's holder, for all merchants."""
        return Actor(Role.ADMIN, self.who)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction that sees the rows of all merchants."""
        with transaction(self.session.engine) as connection:
            yield connection


def session_of(request: Request) -> Session:
    """Return the session that the app was made with."""
    found: Session = request.app.state.session
    return found


class Keyed(APIRoute):
    """Route that checks the key before it reads the body. FastAPI would read the body before all dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        handle = super().get_route_handler()

        async def handle_keyed(request: Request) -> Response:
            key = await run_in_threadpool(self.authenticate, session_of(request), request)
            # Here, since context bound in a thread is lost with the thread.
            structlog.contextvars.bind_contextvars(merchant=key.merchant_id, key=key.prefix)
            # Ended by the middleware once the answer is sent, which may be long after this function.
            limits = request.app.state.limits
            try:
                request.scope["leave"] = limits.enter(key.prefix)
            finally:
                request.scope["allowance"] = limits.allowance(key.prefix)  # sent with every answer
            request.state.asking = self.admit(session_of(request), key)
            return await handle(request)

        return handle_keyed

    @staticmethod
    def authenticate(session: Session, request: Request) -> ApiKey:
        """Return the key of a request. Raises Unauthenticated."""
        return find_bearer(session, request.headers.get("authorization"))

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Caller | Admin:
        """Return the caller. Raises NotAllowed for a key of other routes, whether or not the resource exists."""
        raise NotImplementedError


class ForCallers(Keyed):
    """Route for merchants."""

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Caller:
        """Return the merchant's program."""
        if key.merchant_id is None or key.merchant is None:
            raise NotAllowed("this is an admin's key, for /v1/admin only: use a merchant's key")
        return Caller(session, key.merchant_id, key.merchant, f"key {key.name}")


class ForAdmins(Keyed):
    """Route for admins."""

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Admin:
        """Return the admin. Its name tells admins' keys from merchants' keys of the same name."""
        if key.merchant_id is not None:
            raise NotAllowed("this is a merchant's key: create an admin's with `atelier keys create --admin`")
        return Admin(session, f"admin key {key.name}")


def find_bearer(session: Session, authorization: str | None) -> ApiKey:
    """Return the key of an Authorization header. Raises Unauthenticated."""
    scheme, secret = get_authorization_scheme_param(authorization)
    if scheme.lower() != "bearer":
        raise Unauthenticated(
            "there is no key: send `Authorization: Bearer KEY`, with a key from `atelier keys create`"
        )
    return known_key(session, secret)


def known_key(session: Session, secret: str) -> ApiKey:
    """Return the key of a secret. Raises Unauthenticated."""
    with transaction(session.engine) as connection:
        key = find_key(connection, secret)
    if key is None:
        raise Unauthenticated("this key is unknown, expired or revoked")
    return key


def asking(request: Request, _: Annotated[object, Depends(bearer)]) -> Caller | Admin:
    """Return the caller that the route has authenticated; ``bearer`` only documents the key in /openapi.json."""
    found: Caller | Admin = request.state.asking
    return found


Asking = Annotated[Caller, Depends(asking)]
AdminAsking = Annotated[Admin, Depends(asking)]
