"""A session of one's own over servers that tests share."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import URL, Engine, text
from sqlalchemy.engine import make_url

from shared.broker import Broker
from shared.context import Session
from shared.database import make_engine, upgrade
from shared.embedded import Services
from shared.models.versions import install_built_in
from shared.settings import Settings
from shared.store import open_store


@contextmanager
def fresh_session(services: Services, home: Path) -> Iterator[Session]:
    """Open a session over a new database of running services; its files lie below ``home``."""
    with fresh_database(services.database_url) as own:
        yield from _session(own, services, home)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Make a database with all tables and the built-in checkpoint, on a server whose superuser anybody is."""
    server = make_url(url)
    name = f"test_{uuid4().hex}"
    admin = as_superuser(server)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {_template(server, admin)} OWNER {server.username}"))
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def as_superuser(server: URL) -> Engine:
    """Return an engine for what is no transaction: nobody else may end an autovacuum, as FORCE has to."""
    url = server.set(username="postgres", database="postgres").render_as_string(hide_password=False)
    return make_engine(url).execution_options(isolation_level="AUTOCOMMIT")


@cache
def _objects() -> Path:
    """The objects of the built-in checkpoint, for all databases of this process."""
    folder = Path(tempfile.mkdtemp(prefix="atelier-objects-"))
    atexit.register(shutil.rmtree, folder)
    return folder


def _template(server: URL, admin: Engine) -> str:
    """Fill a database that all others of a server are copied from, once: a copy is the quickest way to all of it."""
    name = "template"
    with admin.connect() as connection:
        if connection.execute(text(f"SELECT 1 FROM pg_database WHERE datname = '{name}'")).one_or_none():
            return name
        connection.execute(text(f"CREATE DATABASE {name} OWNER {server.username}"))
    engine = make_engine(server.set(database=name).render_as_string(hide_password=False))
    upgrade(engine)
    install_built_in(engine, open_store(f"file://{_objects()}"))
    engine.dispose()
    return name


def _session(own: str, services: Services, home: Path) -> Iterator[Session]:
    engine = make_engine(own)
    broker = Broker(services.broker_url)
    with broker.app.connection_for_write() as connection:
        connection.default_channel.client.flushall()
    settings = Settings(home=home, database_url=SecretStr(own), broker_url=SecretStr(services.broker_url))
    shutil.copytree(_objects(), home / "objects", dirs_exist_ok=True)
    store = open_store(f"file://{home / 'objects'}")
    try:
        yield Session(settings, engine, store, broker)
    finally:
        engine.dispose()
        broker.app.close()
