"""Each statement has a limit: whoever meets it is told in one line, and nothing of its transaction is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from producer.api.problems import problem_of
from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import MAINTENANCE_SECONDS, make_engine, transaction
from shared.errors import DatabaseUnavailable, StatementTimeout, exit_code
from shared.look import Look
from shared.merchants.merchants import merchant_id
from tests.atelier_command import command_over

LIMIT = "SELECT current_setting('statement_timeout')"


@pytest.fixture
def hasty(session: Session) -> Iterator[Engine]:
    """An engine whose statements may take half a second."""
    engine = make_engine(url_of(session), statement_seconds=0.5)
    yield engine
    engine.dispose()


def url_of(session: Session) -> str:
    assert session.settings.database_url is not None
    return session.settings.database_url.get_secret_value()


def test_every_connection_has_the_limit_of_its_engine(session: Session, hasty: Engine) -> None:
    for engine, limit in ((session.engine, "1min"), (hasty, "500ms")):
        with transaction(engine) as one, transaction(engine) as other:
            assert [one.scalar(text(LIMIT)), other.scalar(text(LIMIT))] == [limit, limit]


def test_maintenance_has_a_limit_of_its_own_for_one_transaction(hasty: Engine) -> None:
    with transaction(hasty, statement_seconds=MAINTENANCE_SECONDS) as connection:
        assert connection.scalar(text(LIMIT)) == "1h"
    with transaction(hasty) as connection:
        assert connection.scalar(text(LIMIT)) == "500ms"


def test_a_slow_statement_is_stopped_and_nothing_of_its_transaction_is_stored(hasty: Engine) -> None:
    def work_slowly() -> None:
        with transaction(hasty) as connection:
            merchant_id(connection, "half-made")
            connection.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(StatementTimeout, match="raise ATELIER_STATEMENT_SECONDS") as caught:
        work_slowly()
    assert isinstance(caught.value, DatabaseUnavailable)  # so workers give back and wait
    assert exit_code(caught.value) == 6
    found = problem_of(caught.value)
    assert (found.status, found.code, found.retryable) == (503, "statement_timeout", True)
    assert "ATELIER" not in found.detail  # which concerns the operator
    with transaction(hasty) as connection:
        assert connection.scalar(text("SELECT count(*) FROM merchants WHERE name = 'half-made'")) == 0


def lock_batches(connection: Connection) -> None:
    connection.execute(text("LOCK TABLE batches IN ACCESS EXCLUSIVE MODE"))


def test_a_copy_and_a_wait_for_a_lock_are_limited_too(session: Session, hasty: Engine, tmp_path: Path) -> None:
    manifest = tmp_path / "rows.csv"
    manifest.write_text("sku,image\n1,https://photos.example/1.jpg\n")
    order = Order("shop", open_manifest([str(manifest)]), (Look((("starry-night", 1.0),)),))
    with transaction(session.engine) as connection:
        lock_batches(connection)
        with pytest.raises(StatementTimeout):
            submit_batch(replace(session, engine=hasty), order)
    assert submit_batch(replace(session, engine=hasty), order).batch.total == 1


def test_a_command_obeys_the_setting(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_STATEMENT_SECONDS", "1")
    with transaction(session.engine) as connection:
        lock_batches(connection)
        done = command_over(session, monkeypatch)("status")
    assert isinstance(done.exception, StatementTimeout)
