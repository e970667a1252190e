"""A home of its own for what breaks servers, and the table of the long forms."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from shared.embedded import attached
from tests.chaos.crew import OUTAGE_LEASE_SECONDS, Crew, WorkerForker
from tests.chaos.end_state import Pictures, pictures
from tests.chaos.flaky_s3 import FlakyS3, flaky_s3
from tests.chaos.servers import Servers
from tests.chaos.tolls import TOLLS, Toll
from tests.sessions import fresh_session


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    home = tmp_path_factory.mktemp("chaos")
    with attached(home, lasting=False) as services:
        yield Servers(home, services)


@pytest.fixture(scope="session")
def forker() -> Iterator[WorkerForker]:
    found = WorkerForker()
    yield found
    found.close()


@contextmanager
def crew_of(servers: Servers, forker: WorkerForker, folder: Path, reference: Pictures) -> Iterator[Crew]:
    with fresh_session(servers.services, folder) as session:
        small = session.settings.model_copy(update={"chunk_megapixels": 0.03})
        found = Crew(replace(session, settings=small), folder, forker, reference)
        try:
            yield found
        finally:
            found.close()
            sys.stdout.write(found.last_words())  # shown where a test has failed


@pytest.fixture(scope="session")
def reference(
    servers: Servers, forker: WorkerForker, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Pictures:
    """What a run without faults makes of the crew's photos."""
    with crew_of(servers, forker, tmp_path_factory.mktemp("reference"), {}) as crew:
        batch = crew.submit(300 if pytestconfig.option.markexpr == "long" else 96)
        crew.start()
        crew.finished(batch.id)
        return pictures(crew.session, batch.id)


@pytest.fixture
def crew(servers: Servers, forker: WorkerForker, tmp_path: Path, reference: Pictures) -> Iterator[Crew]:
    with crew_of(servers, forker, tmp_path, reference) as found:
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
