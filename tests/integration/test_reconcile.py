"""Rows and objects that differ, whatever the reason, and how they are brought together again."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from atelier_command import command_over, printed
from filled import add_finished
from recount import assert_nothing_lost
from sqlalchemy import text

from shared import batches, chunks, prune
from shared.database import transaction
from shared.merchants import LOCAL_MERCHANT
from shared.reconcile import Differences, differences, reconcile
from shared.session import Session
from shared.source_copies import SourceCopy, keep_copy, source_key

JOBS, FAILED = 100, 1


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put is no longer new; a store's clock cannot be set back."""
    monkeypatch.setattr(prune, "GRACE", timedelta(0))


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


@pytest.mark.usefixtures("an_hour_later")
def test_objects_that_no_row_names_go_and_the_others_stay(session: Session) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", JOBS)
    kept = put_objects(session)
    orphan = f"renditions/{batch.merchant_id}/00/{'0' * 64}.jpg"
    session.store.put(orphan, b"a worker died before it could record this")
    found = differences(session.engine, session.store)
    assert found == Differences([orphan], [], [])
    reconcile(session.engine, session.store, found)
    assert not session.store.exists(orphan)
    assert all(session.store.exists(key) for key in kept)
    assert differences(session.engine, session.store) == Differences([], [], [])


def test_what_was_put_just_now_stays_since_its_row_may_come(session: Session) -> None:
    session.store.put("renditions/1/00/new.jpg", b"new")
    session.store.put(source_key(1, "0" * 64), b"new")
    assert differences(session.engine, session.store) == Differences([], [], [])


@pytest.mark.usefixtures("an_hour_later")
def test_jobs_whose_object_is_gone_fail_and_can_be_retried(session: Session) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", JOBS)
    keys = put_objects(session)
    for key in keys[:3]:
        session.store.delete(key)
    found = differences(session.engine, session.store)
    assert len(found.lost) == 3
    assert reconcile(session.engine, session.store, found).failed == 3
    assert assert_nothing_lost(session, batch.id) == {
        "succeeded": JOBS - FAILED - 3,
        "failed": FAILED + 3,
        "cancelled": 0,
    }
    with transaction(session.engine) as connection:
        assert chunks.retry_batch(connection, batches.get_batch(connection, batch.id)) == FAILED + 3
        again = batches.get_batch(connection, batch.id)
    assert (again.state, again.failed, again.succeeded) == ("running", 0, JOBS - FAILED - 3)


@pytest.mark.usefixtures("an_hour_later")
def test_a_source_goes_when_it_is_older_than_every_batch_of_its_merchant_and_no_copy_of_an_address(
    session: Session,
) -> None:
    with transaction(session.engine) as connection:
        busy, resting = (add_finished(connection, name, 1) for name in ("busy", "resting"))
    named, copied, stray = (
        source_key(batch.merchant_id, letter * 64) for batch, letter in ((busy, "a"), (resting, "b"), (resting, "c"))
    )
    for key in (named, copied, stray):
        session.store.put(key, b"photo")
    with transaction(session.engine) as connection:
        keep_copy(connection, resting.merchant_id, "https://shop.example/b.jpg", SourceCopy("1", None, "b" * 64))
    assert differences(session.engine, session.store).sources == []
    with transaction(session.engine) as connection:  # as if it had come long after the photos
        connection.execute(
            text("UPDATE batches SET created_at = clock_timestamp() + interval '2 hours' WHERE id = :id"),
            {"id": resting.id},
        )
    found = differences(session.engine, session.store)
    assert found.sources == [stray]
    assert reconcile(session.engine, session.store, found).sources == 1
    assert [session.store.exists(key) for key in (named, copied, stray)] == [True, True, False]


@pytest.mark.usefixtures("an_hour_later")
def test_the_command_says_what_differs_and_what_it_did(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with transaction(session.engine) as connection:
        add_finished(connection, LOCAL_MERCHANT, JOBS)
    keys = put_objects(session)
    session.store.delete(keys[0])
    atelier = command_over(session, monkeypatch)
    figures = {"orphans": 0, "sources": 0, "lost": 1}
    assert printed(atelier("reconcile", "--dry-run", "--json")) == figures | {"dry_run": True, "failed": 0}
    assert printed(atelier("reconcile", "--json")) == figures | {"dry_run": False, "failed": 1}
    assert "0 renditions" in atelier("reconcile").stdout
