"""Open a session: the settings and the services of an entry point.

Where the database's and broker's URLs are unset, the session attaches to the embedded servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import Engine

from shared.broker import Broker
from shared.database import make_engine, needs_upgrade, upgrade
from shared.embedded import attached
from shared.errors import UsageError
from shared.models.versions import install_built_in
from shared.settings import Settings
from shared.store import ObjectStore, open_store


@dataclass(frozen=True)
class Session:
    """Settings with all URLs filled in, and the three services."""

    settings: Settings
    engine: Engine
    store: ObjectStore
    broker: Broker


@contextmanager
def open_session(settings: Settings, *, lasting: bool = True, migrate: bool = False) -> Iterator[Session]:
    """Open the services that the settings name.

    Embedded servers are started if necessary, and their tables upgraded. An external database is upgraded
    only by ``atelier db upgrade`` (``migrate``). With ``lasting`` False the embedded servers stop with the
    last command attached to them. Raises UsageError if the tables are too old.
    """
    if (settings.database_url is None) != (settings.broker_url is None):
        raise UsageError("set both ATELIER_DATABASE_URL and ATELIER_BROKER_URL, or neither to use embedded servers")
    with ExitStack() as stack:
        embedded = settings.database_url is None
        if embedded:
            services = stack.enter_context(attached(settings.home, lasting=lasting))
            settings = settings.model_copy(
                update={
                    "database_url": SecretStr(services.database_url),
                    "broker_url": SecretStr(services.broker_url),
                }
            )
        session = _connect(settings)
        stack.callback(session.engine.dispose)
        if needs_upgrade(session.engine):
            if not (embedded or migrate):
                raise UsageError("the database's tables are older than this release: run `atelier db upgrade`")
            upgrade(session.engine)
        if embedded or migrate:
            install_built_in(session.engine, session.store)
        yield session


def _connect(settings: Settings) -> Session:
    assert settings.database_url is not None
    assert settings.broker_url is not None
    store_url = settings.store_url or f"file://{(settings.home / 'objects').absolute()}"
    return Session(
        settings=settings,
        engine=make_engine(
            settings.database_url.get_secret_value(),
            pool_size=settings.slots + 3,
            statement_seconds=settings.statement_seconds,
        ),
        store=open_store(store_url, settings.store_options),
        broker=Broker(settings.broker_url.get_secret_value()),
    )
