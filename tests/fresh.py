"""A session of one's own over servers that tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url

from shared.broker import Broker, make_celery
from shared.database import make_engine, upgrade
from shared.embedded import Services
from shared.model_versions import install_built_in
from shared.session import Session
from shared.settings import Settings
from shared.store import open_store


@contextmanager
def fresh_session(services: Services, home: Path) -> Iterator[Session]:
    """Open a session over a new database of running services; its files lie below ``home``."""
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
    settings = Settings(home=home, database_url=SecretStr(own), broker_url=SecretStr(services.broker_url))
    store = open_store(f"file://{home / 'objects'}")
    install_built_in(engine, store)
    yield Session(settings, engine, store, Broker(app))
    engine.dispose()
    app.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
