"""The long forms: hundreds of images, many faults, nobody helps the clock. They print what it cost."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

import pytest
from conftest import Servers, Toll
from crew import Crew, eventually
from redis import Redis

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

JOBS = 300


def break_often(crew: Crew, fault: str, times: int, strike: Callable[[], None], tolls: list[Toll]) -> None:
    """Submit a batch, strike again and again at random moments, and see what is lost and done twice."""
    batch = crew.submit(JOBS)
    chance = random.Random(JOBS)
    step = JOBS // (times + 1)
    recovery = []
    for number in range(times):
        crew.done(batch.id, number * step + chance.randint(1, step))
        strike()
        struck, done = time.monotonic(), crew.batch(batch.id).done
        eventually(lambda done=done: crew.batch(batch.id).done > done, "the next image")
        recovery.append(time.monotonic() - struck)
    crew.finished(batch.id)
    states = crew.assert_end_state(batch.id)
    lost = JOBS - states["succeeded"]
    tolls.append(Toll(fault, times, JOBS, lost, crew.puts() - states["succeeded"], recovery))
    assert lost == 0


def test_workers_are_killed_at_random_moments(crew: Crew, tolls: list[Toll]) -> None:
    workers = [crew.start()]

    def strike() -> None:
        crew.kill(workers.pop())
        workers.append(crew.start())

    break_often(crew, "worker: SIGKILL", 20, strike, tolls)


def test_workers_are_told_to_stop_at_random_moments(crew: Crew, tolls: list[Toll]) -> None:
    workers = [crew.start()]

    def strike() -> None:
        crew.kill(workers.pop(), signal.SIGTERM)
        workers.append(crew.start())

    break_often(crew, "worker: SIGTERM", 10, strike, tolls)


def test_one_of_two_workers_is_killed(crew: Crew, tolls: list[Toll]) -> None:
    workers = [crew.start(), crew.start()]

    def strike() -> None:
        crew.kill(workers.pop(0))
        workers.append(crew.start())

    break_often(crew, "one worker of two: SIGKILL", 10, strike, tolls)


@pytest.mark.parametrize(("name", "times"), [("redis", 4), ("postgres", 4)])
def test_servers_are_killed(crew: Crew, servers: Servers, tolls: list[Toll], name: str, times: int) -> None:
    workers = [crew.start()]

    def strike() -> None:
        servers.kill(name)
        if crew.gone(workers[0], 1.0):  # what a supervisor does
            workers[0] = crew.start()

    break_often(crew, f"{name}: SIGKILL, restarted", times, strike, tolls)


def test_redis_forgets_everything(crew: Crew, servers: Servers, tolls: list[Toll]) -> None:
    crew.start()

    def strike() -> None:
        path = servers.services.broker_url.removeprefix("redis+socket://")
        with Redis(unix_socket_path=path) as client:
            client.flushall()

    break_often(crew, "redis: FLUSHALL", 10, strike, tolls)
