"""A home of its own for what breaks servers, and the table of the long forms."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.embedded import attached
from shared.store import StoreOptions, open_store
from tests.chaos.crew import LONG_JOBS, OUTAGE_LEASE_SECONDS, Crew, WorkerForker
from tests.chaos.end_state import Pictures, pictures
from tests.chaos.flaky_s3 import FlakyS3, flaky_s3
from tests.chaos.servers import Servers
from tests.chaos.tolls import TOLL, Ledger, Toll
from tests.seaweed import Seaweed, seaweed
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
        batch = crew.submit(LONG_JOBS if pytestconfig.option.markexpr == "long" else 96)
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
def seaweed_crew(crew: Crew, tmp_path: Path) -> Iterator[tuple[Crew, Seaweed]]:
    """A crew whose store is a real S3 server, which a test may kill."""
    with seaweed(tmp_path / "seaweed", buckets="photos") as server:
        options = StoreOptions(
            endpoint_url=server.url,
            access_key_id=server.access_key_id,
            secret_access_key=SecretStr(server.secret_access_key),
            addressing_style="path",
        )
        store = open_store("s3://photos/atelier", options)
        for found in crew.session.store.list(""):  # the model and its styles
            store.put(found.key, crew.session.store.get(found.key))
        environment = {
            "ATELIER_S3_ENDPOINT_URL": server.url,
            "ATELIER_S3_ACCESS_KEY_ID": server.access_key_id,
            "ATELIER_S3_SECRET_ACCESS_KEY": server.secret_access_key,
            "ATELIER_S3_ADDRESSING_STYLE": "path",
            "ATELIER_LEASE_SECONDS": str(OUTAGE_LEASE_SECONDS),
        }
        yield replace(crew, session=replace(crew.session, store=store), environment=environment), server


@pytest.fixture
def tolls(record_property: Callable[[str, object], None]) -> Iterator[list[Toll]]:
    """What a test's faults have cost, for the table of the run."""
    found: list[Toll] = []
    yield found
    for toll in found:
        record_property(TOLL, toll.row())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", type=Path, help="file to write the table of the long forms to")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a process of xdist, whose reports the first one gets
        config.pluginmanager.register(Ledger(config.getoption("--record", default=None)))
