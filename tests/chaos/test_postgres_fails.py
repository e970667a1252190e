"""Postgres that cuts connections, turns read-only, is full, moves to another address, or commits without a word."""

from __future__ import annotations

import socket

import pytest

from shared.database import SILENCE, make_engine
from tests.chaos.crew import OUTAGE_LEASE_SECONDS, Crew
from tests.chaos.postgres_faults import cut_connections, fill_disk, lose_answers, outside, over, turn_read_only, wired


@pytest.fixture(autouse=True)
def leases_that_end(crew: Crew) -> None:
    """A claim may be committed without its worker being told: its lease must end by itself, and need not soon."""
    crew.environment["ATELIER_LEASE_SECONDS"] = str(OUTAGE_LEASE_SECONDS)


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
