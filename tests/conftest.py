"""Fixtures for tests that need the real servers: embedded, started once, a database of its own per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url

from shared.broker import Broker, make_celery
from shared.database import make_engine, upgrade
from shared.embedded import Services, attached
from shared.model_versions import install_built_in
from shared.session import Session
from shared.settings import Settings
from shared.store import open_store


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Postgres and Redis for all tests; gone when the tests are."""
    with attached(tmp_path_factory.mktemp("home"), lasting=False) as found:
        yield found


@pytest.fixture
def session(services: Services, tmp_path: Path) -> Iterator[Session]:
    """A session over a fresh, migrated database, an empty Redis and a folder store."""
    url = make_url(services.database_url)
    name = f"test_{uuid4().hex}"
    admin = make_engine(services.database_url).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    own = url.set(database=name).render_as_string(hide_password=False)
    engine = make_engine(own)
    upgrade(engine)
    app = make_celery(services.broker_url)
    with app.connection_for_write() as connection:
        connection.default_channel.client.flushall()
    settings = Settings(home=tmp_path, database_url=SecretStr(own), broker_url=SecretStr(services.broker_url))
    store = open_store(f"file://{tmp_path / 'objects'}")
    install_built_in(engine, store)
    yield Session(settings, engine, store, Broker(app))
    engine.dispose()
    app.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
