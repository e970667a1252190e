"""Renditions whose objects are gone, whatever the reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.operations.lost_renditions import fail_lost, lost_renditions
from shared.queue import batches
from shared.queue.retry import retry_batch
from tests.atelier_command import command_over, printed
from tests.builders import add_finished
from tests.invariants import assert_nothing_lost

JOBS, FAILED = 100, 1


def put_objects(session: Session) -> list[str]:
    """Give each rendition the object that its row tells of."""
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE renditions SET created_at = clock_timestamp() - interval '1 minute'"))
        keys = connection.execute(text("SELECT object_key FROM renditions ORDER BY id")).scalars().all()
        for key in keys:
            session.store.put(key, key.encode())
            connection.execute(
                text("UPDATE renditions SET sha256 = :sha256, bytes = :bytes WHERE object_key = :key"),
                {"sha256": hashlib.sha256(key.encode()).hexdigest(), "bytes": len(key), "key": key},
            )
    return list(keys)


def test_jobs_whose_object_is_gone_fail_and_can_be_retried(session: Session) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", JOBS)
    keys = put_objects(session)
    for key in keys[:3]:
        session.store.delete(key)
    lost = lost_renditions(session.engine, session.store)
    assert fail_lost(session.engine, lost) == len(lost) == 3
    assert lost_renditions(session.engine, session.store) == []
    assert assert_nothing_lost(session, batch.id) == {
        "succeeded": JOBS - FAILED - 3,
        "failed": FAILED + 3,
        "cancelled": 0,
    }
    with transaction(session.engine) as connection:
        found = batches.get_batch(connection, batch.id)
    assert retry_batch(session.engine, found) == FAILED + 3
    with transaction(session.engine) as connection:
        again = batches.get_batch(connection, batch.id)
    assert (again.state, again.failed, again.succeeded) == ("running", 0, JOBS - FAILED - 3)


def test_the_command_says_what_differs_and_what_it_did(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with transaction(session.engine) as connection:
        add_finished(connection, LOCAL_MERCHANT, JOBS)
    keys = put_objects(session)
    session.store.delete(keys[0])
    atelier = command_over(session, monkeypatch)
    assert printed(atelier("check-renditions", "--dry-run", "--json")) == {"lost": 1, "failed": 0, "dry_run": True}
    assert printed(atelier("check-renditions", "--json")) == {"lost": 1, "failed": 1, "dry_run": False}
    assert "0 renditions" in atelier("check-renditions").stdout
