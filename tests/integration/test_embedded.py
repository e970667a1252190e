"""Real servers, real kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import kombu
import pytest
from redis import Redis
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from shared import embedded
from shared.errors import Unavailable, UsageError
from tests.waiting import LIMIT_SECONDS, wait_until

ATTACH = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from shared import embedded
with embedded.attached(Path(sys.argv[1]), lasting=False) as services:
    print(json.dumps(asdict(services)), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "home"
    yield path
    embedded.stop(path)


@contextmanager
def attached_process(home: Path) -> Iterator[tuple[subprocess.Popen[str], embedded.Services]]:
    """Another process that is attached, until its stdin closes or it is killed."""
    command = [sys.executable, "-c", ATTACH, str(home)]
    root = Path(__file__).parents[2]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=root) as process:
        assert process.stdout
        yield process, embedded.Services(**json.loads(process.stdout.readline()))


def query(services: embedded.Services, *statements: str) -> object:
    """Run statements in one transaction; return the first value of the last, if it has one."""
    engine = create_engine(services.database_url, poolclass=NullPool)
    with engine.begin() as connection:
        results = [connection.execute(text(statement)) for statement in statements]
        return results[-1].scalar() if results[-1].returns_rows else None


def redis(services: embedded.Services, *command: str) -> object:
    """Send a command to Redis; return a setting or a value as text."""
    path = services.broker_url.removeprefix("redis+socket://")
    with Redis(unix_socket_path=path, decode_responses=True) as client:
        answer = client.execute_command(*command)
    return answer[command[2]] if isinstance(answer, dict) else answer


def test_kombu_publishes_and_fetches_by_the_broker_url(home: Path) -> None:
    with embedded.attached(home, lasting=False) as services:
        broker = kombu.Connection(services.broker_url)  # type: ignore[attr-defined, no-untyped-call]
        queue = broker.SimpleQueue("chunks")  # type: ignore[no-untyped-call]
        queue.put({"chunk": 1})
        message = queue.get(timeout=LIMIT_SECONDS)
        message.ack()
        assert message.payload == {"chunk": 1}
        queue.close()
        broker.release()  # type: ignore[no-untyped-call]


def pids(home: Path) -> dict[str, int]:
    found = embedded.running(home)
    assert found
    return found.pids


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for_end_of(processes: Iterable[int]) -> None:
    wait_until(lambda: not any(alive(pid) for pid in processes), "the end of the servers")


def test_both_servers_answer(home: Path) -> None:
    with embedded.attached(home, lasting=False) as services:
        assert query(services, "SELECT 1") == 1
        assert redis(services, "PING") is True
        assert query(services, "SHOW server_encoding") == "UTF8"
        assert query(services, "SHOW fsync") == "on"
        assert query(services, "SELECT datcollate || datlocale FROM pg_database WHERE datname = 'atelier'") == (
            "CC.UTF-8"
        )
        assert query(services, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert redis(services, "CONFIG", "GET", "maxmemory-policy") == "noeviction"
        assert redis(services, "CONFIG", "GET", "appendonly") == "yes"


def test_a_second_attachment_reuses_the_servers(home: Path) -> None:
    with embedded.attached(home, lasting=False) as first:
        before = pids(home)
        with attached_process(home) as (_, second):
            assert second == first == embedded.status(home)
            assert pids(home) == before


def test_concurrent_starts_share_one_pair_of_servers(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(embedded.start, [home] * 8))
    assert len(found) == 1
    assert query(found.pop(), "SELECT 1") == 1


def test_data_survive_stop_and_start(home: Path) -> None:
    services = embedded.start(home)
    query(services, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    redis(services, "SET", "kept", "8")
    assert embedded.stop(home)
    assert embedded.status(home) is None
    services = embedded.start(home)
    assert query(services, "SELECT n FROM kept") == 7
    assert redis(services, "GET", "kept") == "8"


def test_transient_servers_go_when_their_only_user_is_killed(home: Path) -> None:
    with attached_process(home) as (process, _):
        started = pids(home)
        process.kill()
    wait_for_end_of(started.values())
    assert embedded.status(home) is None


def test_transient_servers_stay_while_somebody_is_attached(home: Path) -> None:
    with attached_process(home) as (process, services), embedded.attached(home, lasting=False):
        started = pids(home)
        process.kill()
        process.wait()
        assert query(services, "SELECT 1") == 1
        assert pids(home) == started
    wait_for_end_of(started.values())


def test_attaching_for_good_makes_transient_servers_last(home: Path) -> None:
    with attached_process(home) as (process, _):
        started = pids(home)
        services = embedded.start(home)
        process.kill()
    assert pids(home) == started
    assert query(services, "SELECT 1") == 1
    found = embedded.running(home)
    assert found
    assert found.lasting


def test_attaching_while_transient_servers_stop_gets_servers_that_answer(home: Path) -> None:
    for _ in range(5):
        with embedded.attached(home, lasting=False) as services:
            assert query(services, "SELECT 1") == 1


def test_servers_of_two_homes_live_side_by_side(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with embedded.attached(home, lasting=False) as one, embedded.attached(other, lasting=False) as two:
        query(one, "CREATE TABLE only_here ()")
        assert query(two, "SELECT to_regclass('only_here')") is None
        redis(one, "SET", "only", "here")
        assert redis(two, "GET", "only") is None
    wait_until(lambda: embedded.status(other) is None, "the end of the other servers")


def test_a_home_may_be_long_and_have_spaces_and_accents(tmp_path: Path) -> None:
    home = tmp_path / "été 100% 'quoted' & more" / ("long " * 45).strip()
    with embedded.attached(home, lasting=False) as services:
        assert query(services, "SELECT 1") == 1
        assert redis(services, "PING") is True
    assert embedded.stop(home) in (True, False)  # it may have gone by itself already


@pytest.mark.parametrize("victims", [["keeper"], ["postgres"], ["redis"], ["keeper", "postgres", "redis"]])
def test_start_after_kill_works_and_keeps_the_data(home: Path, victims: list[str]) -> None:
    services = embedded.start(home)
    query(services, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    redis(services, "SET", "kept", "8")
    before = pids(home)
    for victim in victims:
        os.kill(before[victim], signal.SIGKILL)
    wait_for_end_of([before[victim] for victim in victims])
    if "keeper" in victims:
        assert embedded.status(home) is None
    else:  # the keeper starts it again by itself
        wait_until(lambda: pids(home)[victims[0]] != before[victims[0]], f"another {victims[0]}")
    assert embedded.start(home) == services
    assert query(services, "SELECT n FROM kept") == 7
    assert redis(services, "GET", "kept") == "8"
    wait_for_end_of([before[victim] for victim in victims])


def test_servers_follow_a_killed_keeper(home: Path) -> None:
    embedded.start(home)
    started = pids(home)
    os.kill(started["keeper"], signal.SIGKILL)
    wait_for_end_of(started.values())


def test_a_stale_pid_file_that_names_another_process_is_no_obstacle(home: Path) -> None:
    embedded.start(home)
    embedded.stop(home)
    pid_file = home / "services" / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n")
    assert query(embedded.start(home), "SELECT 1") == 1


def test_stop_says_when_nothing_runs(home: Path) -> None:
    assert embedded.stop(home) is False
    assert not home.exists()
    embedded.start(home)
    started = pids(home)
    assert embedded.stop(home) is True
    assert embedded.stop(home) is False
    wait_for_end_of(started.values())


def test_a_failed_start_quotes_the_servers_log(home: Path) -> None:
    embedded.start(home)
    embedded.stop(home)
    data = home / "services" / "postgres"
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(Unavailable, match=r"PostgreSQL version 9.*ATELIER_DATABASE_URL") as caught:
        embedded.start(home)
    assert "\n" not in str(caught.value)
    assert embedded.status(home) is None
    shutil.rmtree(data)
    assert query(embedded.start(home), "SELECT 1") == 1


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.touch()
    with pytest.raises(UsageError, match="ATELIER_HOME"):
        embedded.start(home)
