"""Routes for supervisors and load balancers: whether the API is alive, and whether it can serve."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse

from producer.api.access import session_of
from shared.context import Session
from shared.database import needs_upgrade
from shared.errors import Unavailable

router = APIRouter(default_response_class=PlainTextResponse)


@router.get("/livez")
def alive() -> str:
    """Answer that the process is alive."""
    return "ok\n"


@router.get("/readyz")
def ready(session: Annotated[Session, Depends(session_of)]) -> str:
    """Answer whether Postgres and Redis respond and the tables are of this version."""
    check(session)
    return "ok\n"


def check(session: Session) -> None:
    """Raise Unavailable, with the reason, if requests would fail."""
    session.broker.ping()
    if needs_upgrade(session.engine):
        raise Unavailable("the database's tables are older than this release: run `atelier db upgrade`")
