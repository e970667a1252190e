"""Who asks: the key in the Authorization header says for which merchant, or that it is an admin."""

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

bearer = HTTPBearer(auto_error=False, description="A key from `atelier keys create`.")


@dataclass(frozen=True)
class Caller:
    """A merchant's program, and the services it is served from."""

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
        """Open a transaction that sees the merchant's rows and no others."""
        with transaction(self.session.engine, merchant=self.merchant_id) as connection:
            yield connection


@dataclass(frozen=True)
class Admin:
    """An admin, or a program of theirs, and the services they are served from."""

    session: Session
    who: str

    @property
    def actor(self) -> Actor:
        """The key's holder, for all merchants."""
        return Actor(Role.ADMIN, self.who)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction that sees everybody's rows."""
        with transaction(self.session.engine) as connection:
            yield connection


def session_of(request: Request) -> Session:
    """Return what the app was made with."""
    found: Session = request.app.state.session
    return found


class Keyed(APIRoute):
    """A route that looks at the key before it reads a byte of the body, which FastAPI reads before all dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def handle_keyed(request: Request) -> Response:
            key = await run_in_threadpool(self.authenticate, session_of(request), request)
            # Here, since what a thread binds ends with it.
            structlog.contextvars.bind_contextvars(merchant=key.merchant_id, key=key.prefix)
            # Ended by the middleware once the answer is sent, which may be long after this function.
            request.scope["leave"] = request.app.state.limits.enter(key.prefix)
            request.state.asking = self.admit(session_of(request), key)
            return await handle(request)

        return handle_keyed

    @staticmethod
    def authenticate(session: Session, request: Request) -> ApiKey:
        """Return the key that a request came with. Raises Unauthenticated."""
        return find_bearer(session, request.headers.get("authorization"))

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Caller | Admin:
        """Return who asks. Raises NotAllowed where the key is for other routes, which says nothing of what is there."""
        raise NotImplementedError


class ForCallers(Keyed):
    """A route for merchants."""

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Caller:
        """Return who asks."""
        if key.merchant_id is None or key.merchant is None:
            raise NotAllowed("this key is an admin's, and opens /v1/admin alone: merchants have keys of their own")
        return Caller(session, key.merchant_id, key.merchant, f"key {key.name}")


class ForAdmins(Keyed):
    """A route for admins."""

    @staticmethod
    def admit(session: Session, key: ApiKey) -> Admin:
        """Return who asks. The name is no merchant's key's: those are only said to be keys."""
        if key.merchant_id is not None:
            raise NotAllowed("this key is a merchant's: an admin's is made with `atelier keys create --admin`")
        return Admin(session, f"admin key {key.name}")


def find_bearer(session: Session, authorization: str | None) -> ApiKey:
    """Return the key of an Authorization header. Raises Unauthenticated."""
    scheme, secret = get_authorization_scheme_param(authorization)
    if scheme.lower() != "bearer":
        raise Unauthenticated("no key: send `Authorization: Bearer KEY`, with a key from `atelier keys create`")
    return known_key(session, secret)


def known_key(session: Session, secret: str) -> ApiKey:
    """Return the key of a secret. Raises Unauthenticated."""
    with transaction(session.engine) as connection:
        key = find_key(connection, secret)
    if key is None:
        raise Unauthenticated("this key opens nothing: it is unknown, expired or revoked")
    return key


def asking(request: Request, _: Annotated[object, Depends(bearer)]) -> Caller | Admin:
    """Return who asks, as the kind of route has found out; ``bearer`` is there for /openapi.json."""
    found: Caller | Admin = request.state.asking
    return found


Asking = Annotated[Caller, Depends(asking)]
AdminAsking = Annotated[Admin, Depends(asking)]
