"""What a test does to the crew's Postgres, and to the wires between."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.engine import URL, make_url

from shared.database import make_engine, transaction
from tests.chaos.crew import Crew
from tests.chaos.wire import Wire, wire


def url_of(crew: Crew) -> URL:
    assert crew.session.settings.database_url
    return make_url(crew.session.settings.database_url.get_secret_value())


def over(crew: Crew, *wires: Wire, at: str = "127.0.0.1") -> str:
    """The crew's database, as it is reached through one of several wires."""
    url = url_of(crew)
    hosts = "&".join(f"host={at}:{one.port}" for one in wires)
    return f"postgresql+psycopg://{url.username}@/{url.database}?{hosts}"


@contextmanager
def wired(crew: Crew, at: str = "127.0.0.1") -> Iterator[Wire]:
    query = url_of(crew).query
    with wire(f"{query['host']}/.s.PGSQL.{query['port']}", at) as found:
        yield found


@contextmanager
def outside(crew: Crew) -> Iterator[Engine]:
    """Connect to another database of the server, which what is done to the crew's does not touch."""
    engine = make_engine(url_of(crew).set(database="atelier").render_as_string()).execution_options(
        isolation_level="AUTOCOMMIT"
    )
    try:
        yield engine
    finally:
        engine.dispose()


def cut_connections(crew: Crew, engine: Engine, least: int) -> None:
    """Cut so many connections of the crew's database that are within a transaction."""
    cut = 0

    def cut_again() -> bool:
        nonlocal cut
        with engine.connect() as connection:
            found = connection.execute(
                text("""
                SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = :name AND state IN ('active', 'idle in transaction')
                """),
                {"name": url_of(crew).database},
            )
            cut += int(found.scalar_one())
        return cut >= least

    crew.wait_until(cut_again, f"{least} connections cut")


def turn_read_only(crew: Crew, engine: Engine) -> None:
    """Let the crew's database be read-only until a worker has noticed."""
    name = url_of(crew).database

    def turn(how: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = {how}"))
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
            )

    turn("on")
    crew.complaint("read-only transaction")
    turn("off")


def fill_disk(crew: Crew) -> None:
    """Let the server say that its disk is full until a worker has noticed."""
    with transaction(crew.session.engine) as connection:
        connection.execute(
            text("""
            CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END$$
            """)
        )
        connection.execute(
            text("CREATE TRIGGER full_disk BEFORE INSERT ON renditions FOR EACH STATEMENT EXECUTE FUNCTION full_disk()")
        )
    crew.complaint("No space left")
    with transaction(crew.session.engine) as connection:
        connection.execute(text("DROP TRIGGER full_disk ON renditions"))


def lose_answers(crew: Crew, line: Wire, least: int) -> None:
    """Cut the line after a COMMIT was passed on, before its answer comes; so many times."""
    chance, before = random.Random(64), line.cuts
    line.cut_after = lambda sent: b"COMMIT" in sent and chance.random() < 0.3
    crew.wait_until(lambda: line.cuts >= before + least, f"{least} commits without an answer")
    line.stop_cutting()
