"""The long forms: hundreds of images, many faults, nobody helps the clock. They print what it cost."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import time
from collections.abc import Callable

import pytest

from tests.chaos.crew import LONG_JOBS as JOBS
from tests.chaos.crew import Crew
from tests.chaos.flaky_s3 import FlakyS3, Request
from tests.chaos.other_host import other_host
from tests.chaos.postgres_faults import cut_connections, fill_disk, lose_answers, outside, over, turn_read_only, wired
from tests.chaos.redis_faults import fill_memory, pause
from tests.chaos.servers import Servers
from tests.chaos.small_disk import fill, small_disk
from tests.chaos.store_faults import FAULTS
from tests.chaos.store_faults import strike as spoil
from tests.chaos.tolls import Toll
from tests.chaos.wire import wire
from tests.chaos.worker_with_faults import STEPS
from tests.seaweed import Seaweed

pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]


@pytest.fixture(autouse=True)
def leases_that_end(crew: Crew) -> None:
    """Nobody ends a lease here: how long one lasts is part of what a fault costs."""
    crew.environment["ATELIER_LEASE_SECONDS"] = "10"
    crew.leases_run_out = True


HELD = """
    SELECT count(*) FROM chunks c JOIN workers w ON w.id = c.worker_id
    WHERE c.lease_expires_at IS NOT NULL AND w.pid = {pid}
"""
"""Chunks in the hands of a worker."""


def break_often(crew: Crew, fault: str, times: int, strike: Callable[[], object], tolls: list[Toll]) -> None:
    """Submit a batch, strike again and again at random moments, and see what is lost and done twice."""
    batch = crew.submit(JOBS)
    chance = random.Random(JOBS)
    step = JOBS // (times + 1)
    recovery = []
    for number in range(times):
        crew.done(batch.id, number * step + chance.randint(1, step))
        strike()
        struck = time.monotonic()
        crew.done(batch.id, crew.batch(batch.id).done + 1)
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


# Together no more often than the keeper of the servers starts them again within a minute.
@pytest.mark.parametrize(("name", "times"), [("redis", 2), ("postgres", 3)])
def test_servers_are_killed(crew: Crew, servers: Servers, tolls: list[Toll], name: str, times: int) -> None:
    crew.start(supervised=True)
    break_often(crew, f"{name}: SIGKILL, restarted", times, lambda: servers.kill(name), tolls)


def test_redis_forgets_everything(crew: Crew, servers: Servers, tolls: list[Toll]) -> None:
    crew.start()

    def strike() -> None:
        with servers.redis() as client:
            client.flushall()

    break_often(crew, "redis: FLUSHALL", 10, strike, tolls)


def test_workers_are_killed_at_every_step(crew: Crew, tolls: list[Toll]) -> None:
    """Beside one that lives."""
    crew.start()
    steps = iter([*STEPS] * 2)

    def strike() -> None:
        assert crew.gone(crew.start(next(steps)))

    break_often(crew, "one worker of two: SIGKILL at a step", 2 * len(STEPS), strike, tolls)


def test_workers_lose_their_devices(crew: Crew, tolls: list[Toll]) -> None:
    workers = [crew.start()]

    def strike() -> None:
        crew.kill(workers.pop(), signal.SIGTERM)
        (crew.folder / "lost").unlink(missing_ok=True)
        assert crew.gone(crew.start("lost-device", crew.folder / "lost"))
        workers.append(crew.start())

    break_often(crew, "device: context lost", 5, strike, tolls)


def test_workers_sleep_through_their_leases(crew: Crew, tolls: list[Toll]) -> None:
    for _ in range(2):
        crew.start(supervised=True)  # the watchdog of a sleeper ends it

    def strike() -> None:
        sleeper = crew.supervised[0]
        crew.send(sleeper, signal.SIGSTOP)
        crew.wait_until(lambda: not crew.scalar(HELD.format(pid=sleeper)), "the end of the sleeper's leases")
        crew.send(sleeper, signal.SIGCONT)

    break_often(crew, "one worker of two: SIGSTOP beyond lease", 4, strike, tolls)


def test_a_host_is_cut_off_and_comes_back(crew: Crew, servers: Servers, tolls: list[Toll]) -> None:
    """Nobody is told: the servers keep its connections, and it keeps its work until its leases have ended."""
    with other_host() as host, wired(crew, host.address) as line, wire(servers.redis_socket, host.address) as redis:
        crew.start()
        crew.environment |= {
            "ATELIER_DATABASE_URL": over(crew, line, at=host.address),
            "ATELIER_BROKER_URL": f"redis://{host.address}:{redis.port}/0",
        }
        far = [crew.start("other-host", host.name)]

        def strike() -> None:
            crew.wait_until(lambda: crew.scalar(HELD.format(pid=far[0])) or crew.gone(far[0], 0), "its work")
            host.cut()
            crew.wait_until(lambda: not crew.scalar(HELD.format(pid=far[0])), "the end of its leases")
            host.restore()
            if crew.gone(far[0], 1.0):
                far[0] = crew.start("other-host", host.name)

        break_often(crew, "one host of two: cut off beyond lease", 4, strike, tolls)
        crew.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_store_fails(s3_crew: tuple[Crew, FlakyS3], tolls: list[Toll], fault: str) -> None:
    crew, flaky = s3_crew
    crew.start()
    break_often(crew, f"S3: {fault}", 6, lambda: spoil(crew, flaky, FAULTS[fault], share=0.5), tolls)


def test_the_server_of_the_store_is_killed(seaweed_crew: tuple[Crew, Seaweed], tolls: list[Toll]) -> None:
    crew, server = seaweed_crew
    crew.start()

    def strike() -> None:
        server.kill()
        crew.complaint("service_unavailable")
        server.start()

    break_often(crew, "SeaweedFS: SIGKILL, restarted", 4, strike, tolls)
    crew.close()


def test_the_store_sends_damaged_bytes(s3_crew: tuple[Crew, FlakyS3], tolls: list[Toll]) -> None:
    crew, flaky = s3_crew
    crew.start()

    def damage(request: Request) -> None:
        if request.method == "GET" and "/sources/" in request.path:
            request.damage()

    break_often(crew, "S3: wrong checksum", 6, lambda: spoil(crew, flaky, damage, share=0.5), tolls)


def test_the_disk_of_the_store_is_full(crew: Crew, tolls: list[Toll]) -> None:
    objects = crew.folder / "objects"
    shutil.move(objects, crew.folder / "moved")
    with small_disk(objects, "24m"):
        shutil.copytree(crew.folder / "moved", objects, dirs_exist_ok=True)
        crew.start()

        def strike() -> None:
            ballast = fill(objects)
            crew.complaint("is full")
            ballast.unlink()

        break_often(crew, "store: disk full", 4, strike, tolls)
        crew.close()


def test_connections_to_postgres_are_cut(crew: Crew, tolls: list[Toll]) -> None:
    crew.start()
    with outside(crew) as engine:
        break_often(crew, "postgres: 5 connections cut", 10, lambda: cut_connections(crew, engine, 5), tolls)


def test_postgres_is_read_only(crew: Crew, tolls: list[Toll]) -> None:
    crew.start()
    with outside(crew) as engine:
        break_often(crew, "postgres: read-only", 5, lambda: turn_read_only(crew, engine), tolls)


def test_the_disk_of_postgres_is_full(crew: Crew, tolls: list[Toll]) -> None:
    crew.start()
    break_often(crew, "postgres: disk full", 5, lambda: fill_disk(crew), tolls)


def test_commits_of_postgres_are_not_answered(crew: Crew, tolls: list[Toll]) -> None:
    with wired(crew) as line:
        crew.environment["ATELIER_DATABASE_URL"] = over(crew, line)
        crew.start()
        break_often(crew, "postgres: COMMIT unanswered", 10, lambda: lose_answers(crew, line, 1), tolls)
        crew.close()


def test_postgres_moves(crew: Crew, tolls: list[Toll]) -> None:
    with wired(crew) as one, wired(crew) as other:
        crew.environment["ATELIER_DATABASE_URL"] = over(crew, one, other)
        crew.start()
        lines = itertools.cycle((one, other))

        def strike() -> None:
            old = next(lines)
            new = other if old is one else one
            new.refuses = False
            old.refuses = True
            old.cut_all()

        break_often(crew, "postgres: another address", 6, strike, tolls)
        crew.close()


def test_redis_stands_still(crew: Crew, servers: Servers, tolls: list[Toll]) -> None:
    crew.start()
    break_often(crew, "redis: paused 60 s", 2, lambda: pause(servers, 60), tolls)


def test_redis_has_no_memory(crew: Crew, servers: Servers, tolls: list[Toll]) -> None:
    crew.start(supervised=True)
    break_often(crew, "redis: out of memory", 5, lambda: fill_memory(crew, servers), tolls)


def test_redis_is_slow(crew: Crew, servers: Servers, tolls: list[Toll]) -> None:
    with wire(servers.redis_socket) as line:
        crew.environment["ATELIER_BROKER_URL"] = f"redis://127.0.0.1:{line.port}/0"
        crew.start()

        def strike() -> None:
            line.delay_seconds = 0.5 - line.delay_seconds

        break_often(crew, "redis: half a second late", 3, strike, tolls)
        crew.close()
