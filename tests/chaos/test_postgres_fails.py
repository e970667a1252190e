"""Postgres that cuts connections, turns read-only, is full, moves to another address, or commits without a word."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from crew import OUTAGE_LEASE_SECONDS, Crew
from sqlalchemy import Engine, text
from sqlalchemy.engine import URL, make_url
from wire import Wire, wire

from shared.database import SILENCE, make_engine, transaction


@pytest.fixture(autouse=True)
def leases_that_end(crew: Crew) -> None:
    """A claim may be committed without its worker being told: its lease must end by itself, and need not soon."""
    crew.environment["ATELIER_LEASE_SECONDS"] = str(OUTAGE_LEASE_SECONDS)


def url_of(crew: Crew) -> URL:
    assert crew.session.settings.database_url
    return make_url(crew.session.settings.database_url.get_secret_value())


def over(crew: Crew, *wires: Wire) -> str:
    """The crew's database, as it is reached through one of several wires."""
    url = url_of(crew)
    hosts = "&".join(f"host=127.0.0.1:{one.port}" for one in wires)
    return f"postgresql+psycopg://{url.username}@/{url.database}?{hosts}"


@contextmanager
def wired(crew: Crew) -> Iterator[Wire]:
    query = url_of(crew).query
    with wire(f"{query['host']}/.s.PGSQL.{query['port']}") as found:
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


def test_connections_are_cut_in_transactions_the_server_is_read_only_and_full(crew: Crew) -> None:
    crew.submit(64)
    pid = crew.start()
    with outside(crew) as engine, crew.endless_work():
        crew.more_done(4)
        cut_connections(crew, engine, 10)
        crew.more_done(4)
        turn_read_only(crew, engine)
        crew.more_done(4)
        fill_disk(crew)
    crew.end_leases()
    crew.assert_all_succeed()
    assert not crew.gone(pid, 0)
    assert crew.scalar("SELECT sum(deaths) FROM jobs") == 0


def test_answers_of_commits_are_lost_and_nothing_is_counted_twice(crew: Crew) -> None:
    batch = crew.submit(64)
    with wired(crew) as line:
        crew.environment["ATELIER_DATABASE_URL"] = over(crew, line)
        pid = crew.start()
        crew.done(batch.id, 4)
        lose_answers(crew, line, 8)
        crew.end_leases()  # of claims whose worker does not know of them
        crew.finished(batch.id)
        assert not crew.gone(pid, 0)
        crew.kill(pid)
    assert crew.assert_end_state(batch.id) == {"succeeded": 64, "failed": 0, "cancelled": 0}
    assert crew.scalar("SELECT sum(deaths) FROM jobs") == 0


def test_the_server_moves_to_another_address(crew: Crew) -> None:
    batch = crew.submit(48)
    with wired(crew) as new:
        with wired(crew) as old:
            crew.environment["ATELIER_DATABASE_URL"] = over(crew, old, new)
            pid = crew.start()
            crew.done(batch.id, 8)
        crew.finished(batch.id)
        assert not crew.gone(pid, 0)
        crew.kill(pid)
    assert crew.assert_end_state(batch.id) == {"succeeded": 48, "failed": 0, "cancelled": 0}


def test_a_server_that_goes_without_a_word_is_noticed(crew: Crew) -> None:
    """The kernel does that: it is asked what it was told."""
    with wired(crew) as line:
        engine = make_engine(over(crew, line) + "&keepalives_idle=7")
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver
            with socket.socket(fileno=driver.fileno()) as line_end:
                options = (socket.SO_KEEPALIVE, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
                levels = (socket.SOL_SOCKET, *[socket.IPPROTO_TCP] * 3)
                told = [line_end.getsockopt(*pair) for pair in zip(levels, options, strict=True)]
                line_end.detach()
        engine.dispose()
    assert told == [1, 7, SILENCE["keepalives_interval"], SILENCE["tcp_user_timeout"]]
