"""Redis that stands still, has no memory left, or is slow, under a worker at work."""

from __future__ import annotations

import os
import signal
import socket
import time

import pytest
from conftest import Servers
from crew import Crew
from redis import Redis
from wire import wire

from shared import embedded
from shared.broker import KEEPALIVE, make_celery

PAUSE_SECONDS = 10


def path(servers: Servers) -> str:
    return servers.services.broker_url.removeprefix("redis+socket://")


def pause(servers: Servers, seconds: float) -> None:
    """Let Redis stand still."""
    found = embedded.running(servers.home)
    assert found
    os.kill(found.pids["redis"], signal.SIGSTOP)
    try:
        time.sleep(seconds)  # the fault itself, not a wait for anything
    finally:
        os.kill(found.pids["redis"], signal.SIGCONT)


def fill_memory(crew: Crew, servers: Servers) -> None:
    """Let Redis have no memory left until a worker has noticed."""
    with Redis(unix_socket_path=path(servers)) as client:
        client.config_set("maxmemory", "1")
        try:
            crew.complaint("maxmemory")
        finally:
            client.config_set("maxmemory", "0")


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
    with wire(path(servers)) as line:
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
    with wire(path(servers)) as line, make_celery(f"redis://127.0.0.1:{line.port}/0") as app:
        with app.connection_for_read() as connection:
            pool = connection.default_channel.client.connection_pool
            client = pool.get_connection()
            told = {option: client._sock.getsockopt(socket.IPPROTO_TCP, option) for option in KEEPALIVE}
            assert client._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            pool.release(client)
        assert told == KEEPALIVE
