"""A home of its own for what breaks servers, and the table of the long forms."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from crew import OUTAGE_LEASE_SECONDS, Crew, Nursery
from end_state import Pictures, pictures
from flaky_s3 import FlakyS3, flaky_s3
from fresh import fresh_session
from waiting import wait_until

from shared import embedded
from shared.embedded import Services, attached


@dataclass(frozen=True)
class Servers:
    """Embedded servers that may be killed: their keeper starts them again."""

    home: Path
    services: Services

    def kill(self, name: str) -> None:
        """Kill Redis or Postgres, and wait until their keeper has started another."""
        killed = self.pid(name)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: self.pid(name) != killed, f"{name} started again")

    def pid(self, name: str) -> int:
        found = embedded.running(self.home)
        assert found
        return found.pids[name]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    home = tmp_path_factory.mktemp("chaos")
    with attached(home, lasting=False) as services:
        yield Servers(home, services)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.close()


@contextmanager
def crew_of(servers: Servers, nursery: Nursery, folder: Path, reference: Pictures) -> Iterator[Crew]:
    with fresh_session(servers.services, folder) as session:
        small = session.settings.model_copy(update={"chunk_megapixels": 0.03})
        found = Crew(replace(session, settings=small), folder, nursery, reference)
        try:
            yield found
        finally:
            found.close()
            sys.stdout.write(found.last_words())  # shown where a test has failed


@pytest.fixture(scope="session")
def reference(
    servers: Servers, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Pictures:
    """What a run without faults makes of the crew's photos."""
    with crew_of(servers, nursery, tmp_path_factory.mktemp("reference"), {}) as crew:
        batch = crew.submit(300 if pytestconfig.option.markexpr == "long" else 96)
        crew.start()
        crew.finished(batch.id)
        return pictures(crew.session, batch.id)


@pytest.fixture
def crew(servers: Servers, nursery: Nursery, tmp_path: Path, reference: Pictures) -> Iterator[Crew]:
    with crew_of(servers, nursery, tmp_path, reference) as found:
        yield found


@pytest.fixture
def s3_crew(crew: Crew) -> Iterator[tuple[Crew, FlakyS3]]:
    """A crew whose workers reach their store, an S3 server, through a proxy that a test can let spoil answers."""
    with flaky_s3() as (flaky, store):
        for found in crew.session.store.list(""):  # the model and its styles
            store.put(found.key, crew.session.store.get(found.key))
        # The time that a request may take follows from the lease: none is to hang for minutes.
        environment = flaky.environment | {"ATELIER_LEASE_SECONDS": str(OUTAGE_LEASE_SECONDS)}
        yield replace(crew, session=replace(crew.session, store=store), environment=environment), flaky


@dataclass(frozen=True)
class Toll:
    """What a fault cost, for the table."""

    fault: str
    times: int
    jobs: int
    lost: int
    done_twice: int
    recovery_seconds: list[float]

    def __str__(self) -> str:
        longest = max(self.recovery_seconds, default=0.0)
        middle = sorted(self.recovery_seconds)[len(self.recovery_seconds) // 2] if self.recovery_seconds else 0.0
        return (
            f"{self.fault:<34}{self.times:>6}{self.jobs:>7}{self.lost:>7}{self.done_twice:>9}"
            f"{middle:>9.1f}{longest:>9.1f}"
        )


TOLLS = pytest.StashKey[list[Toll]]()


@pytest.fixture
def tolls(pytestconfig: pytest.Config) -> list[Toll]:
    return pytestconfig.stash.setdefault(TOLLS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tolls = config.stash.get(TOLLS, [])
    if tolls:
        terminalreporter.write_sep("-", "seconds until the next image was done: median and longest")
        terminalreporter.write_line(
            f"{'fault':<34}{'times':>6}{'jobs':>7}{'lost':>7}{'twice':>9}{'median':>9}{'longest':>9}"
        )
        for toll in tolls:
            terminalreporter.write_line(str(toll))
