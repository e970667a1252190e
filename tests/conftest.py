"""Fixtures for tests that need the real servers: embedded, started once, a database of its own per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from shared.context import Session
from shared.embedded import Services, attached
from tests.sessions import fresh_session

# No example may fail because the machine is busy, nor because others were drawn than the last time; to look for new
# ones, run the tests with --hypothesis-profile=explore.
PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True)
hypothesis.settings.register_profile("explore", PATIENT)
hypothesis.settings.register_profile("repeatable", PATIENT, derandomize=True, database=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """Forget how a test has let logs be: those of a command go to its own standard error, which is closed by then."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Postgres and Redis for all tests; gone when the tests are."""
    with attached(tmp_path_factory.mktemp("home"), lasting=False) as found:
        yield found


@pytest.fixture
def session(services: Services, tmp_path: Path) -> Iterator[Session]:
    """A session over a fresh, migrated database, an empty Redis and a folder store."""
    with fresh_session(services, tmp_path) as found:
        yield found
