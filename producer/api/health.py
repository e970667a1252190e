"""Whether the API lives, and whether it can do work: for whoever restarts it, and whoever sends requests to it."""

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
    """Answer: who can do that lives."""
    return "ok\n"


@router.get("/readyz")
def ready(session: Annotated[Session, Depends(session_of)]) -> str:
    """Say whether Postgres and Redis answer and the tables are those of this version."""
    check(session)
    return "ok\n"


def check(session: Session) -> None:
    """Raise Unavailable, with the reason, where requests would fail."""
    session.broker.ping()
    if needs_upgrade(session.engine):
        raise Unavailable("the database's tables are not those of this version: run `atelier db upgrade`")
