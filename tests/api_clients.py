"""Clients of the HTTP API over a test's session, with keys of their own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from producer.api.app import make_app
from shared.context import Session
from shared.database import transaction
from shared.merchants import keys
from shared.merchants.merchants import merchant_id

PLACES: dict[str, Any] = {
    "batch": uuid4(),
    "ordinal": 0,
    "preset": "jpeg",
    "action": "cancel",
    "table": "results",
    "version": 1,
    "verdict": 1,
    "run": uuid4(),
    "trigger": "drift",
    "merchant": "other",
    "proof": 1,
    "webhook": 1,
    "name": "own",
    "delivery": 1,
    "upload": uuid4(),
    "number": 1,
    "preview": uuid4(),
}
"""Something for each place in a route's path."""


def client_of(session: Session, name: str | None, registry: CollectorRegistry | None = None) -> TestClient:
    """Return a client with a key of a merchant, or with none."""
    headers = {}
    if name is not None:
        with transaction(session.engine) as connection:
            merchant = merchant_id(connection, name)
            _, secret = keys.create_key(connection, merchant, uuid4().hex)
        headers = {"Authorization": f"Bearer {secret}"}
    return TestClient(make_app(session, registry), headers=headers, raise_server_exceptions=False)


def admin_key(session: Session, name: str = "ops") -> str:
    """Make a key of an admin; return its secret."""
    with transaction(session.engine) as connection:
        return keys.create_key(connection, None, name)[1]


def admin_of(session: Session, name: str = "ops") -> TestClient:
    """Return a client with a key of an admin."""
    headers = {"Authorization": f"Bearer {admin_key(session, name)}"}
    return TestClient(make_app(session), headers=headers, raise_server_exceptions=False)


def csv(*images: str) -> tuple[str, bytes]:
    rows = "".join(f"sku-{number},{image}\n" for number, image in enumerate(images))
    return "feed.csv", f"sku,image\n{rows}".encode()


def routes(session: Session) -> list[tuple[str, str]]:
    app = make_app(session)
    paths = app.openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods if path.startswith("/v1")]
