"""Redis that stands still, has no memory left, or is slow, under a worker at work."""

from __future__ import annotations

import socket

import pytest

from shared.broker import KEEPALIVE, make_celery
from tests.chaos.crew import Crew
from tests.chaos.redis_faults import fill_memory, pause
from tests.chaos.servers import Servers
from tests.chaos.wire import wire

PAUSE_SECONDS = 10


def test_redis_stands_still_and_the_worker_goes_on_afterwards(crew: Crew, servers: Servers) -> None:
    batch = crew.submit(48)
    pid = crew.start()
    crew.done(batch.id, 4)
    pause(servers, PAUSE_SECONDS)
    crew.finished(batch.id)
    assert not crew.gone(pid, 0)
    assert crew.assert_end_state(batch.id) == {"succeeded": 48, "failed": 0, "cancelled": 0}


def test_redis_without_memory_delays_work_and_loses_none(crew: Crew, servers: Servers) -> None:
    crew.submit(64)
    crew.start(supervised=True)
    with crew.endless_work():
        crew.more_done(4)
        fill_memory(crew, servers)
    crew.assert_all_succeed()


@pytest.mark.long
def test_a_slow_redis_slows_nothing_but_the_messages(crew: Crew, servers: Servers) -> None:
    with wire(servers.redis_socket) as line:
        line.delay_seconds = 0.1
        crew.environment["ATELIER_BROKER_URL"] = f"redis://127.0.0.1:{line.port}/0"
        batch = crew.submit(24)
        pid = crew.start()
        crew.finished(batch.id)
        assert not crew.gone(pid, 0)
        crew.kill(pid)
    assert crew.assert_end_state(batch.id) == {"succeeded": 24, "failed": 0, "cancelled": 0}


def test_a_redis_that_goes_without_a_word_is_noticed(servers: Servers) -> None:
    """The kernel does that: it is asked what it was told."""
    with wire(servers.redis_socket) as line, make_celery(f"redis://127.0.0.1:{line.port}/0") as app:
        with app.connection_for_read() as connection:
            pool = connection.default_channel.client.connection_pool
            client = pool.get_connection()
            told = {option: client._sock.getsockopt(socket.IPPROTO_TCP, option) for option in KEEPALIVE}
            assert client._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            pool.release(client)
        assert told == KEEPALIVE
