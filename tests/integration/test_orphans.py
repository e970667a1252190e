"""Orphans: objects that nothing names go when they are old, and nothing else does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.context import Session
from shared.database import transaction
from shared.merchants.actors import operator
from shared.operations import orphans, prune
from shared.operations.prune import Pruned
from shared.queue.jobs import STORED
from shared.source_copies import SourceCopy, find_copy, keep_copy, source_key
from tests.builders import add_finished, add_waiting

DAYS = 30
URL = "https://shop.example/mug.jpg"


def hashed(number: int) -> str:
    return f"{number:064x}"


def prune_all(session: Session) -> Pruned:
    return prune.prune(session.engine, session.store, operator(), DAYS, lambda _: None)


@pytest.fixture
def a_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put is no longer new; a store's clock cannot be set forward."""
    monkeypatch.setattr(orphans, "GRACE", timedelta(seconds=-2))


@pytest.mark.usefixtures("a_day_later")
def test_what_nothing_names_goes_and_what_a_job_a_rendition_or_a_copy_names_stays(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "SLICE_OBJECTS", 2)
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", 2)
        merchant = batch.merchant_id
        job, copy, *unnamed = (source_key(merchant, hashed(number)) for number in range(7))
        connection.execute(text("UPDATE jobs SET source = :source WHERE ordinal = 0"), {"source": STORED + job})
        keep_copy(connection, merchant, URL, SourceCopy('"1"', None, hashed(1)))
        renditions = list(connection.execute(text("SELECT object_key FROM renditions")).scalars())
    unnamed.append(f"renditions/{merchant}/ff/{hashed(9)}.jpg")
    for key in (job, copy, *renditions, *unnamed):
        session.store.put(key, b"pixels")
    others = {found.key for found in session.store.list("")} - set(unnamed)
    assert prune_all(session) == Pruned(orphans=len(unnamed))
    assert {found.key for found in session.store.list("")} == others
    assert prune_all(session) == Pruned()


def test_what_was_put_within_a_day_may_still_get_its_name(session: Session) -> None:
    session.store.put(source_key(1, hashed(1)), b"photo")
    assert prune_all(session) == Pruned()
    assert session.store.exists(source_key(1, hashed(1)))


@pytest.mark.usefixtures("a_day_later")
def test_a_copy_of_a_source_goes_with_what_was_known_of_its_url(session: Session) -> None:
    with transaction(session.engine) as connection:
        merchant = add_waiting(connection, "shop", 1).merchant_id
        for number, url in enumerate((URL, URL + "?new")):
            keep_copy(connection, merchant, url, SourceCopy('"1"', None, hashed(number)))
            session.store.put(source_key(merchant, hashed(number)), b"photo")
        connection.execute(
            text("UPDATE source_copies SET fetched_at = fetched_at - interval '31 days' WHERE sha256 = :sha256"),
            {"sha256": hashed(0)},
        )
    assert prune_all(session) == Pruned(copies=1, orphans=1)
    with transaction(session.engine) as connection:
        assert find_copy(connection, merchant, URL) is None
        assert find_copy(connection, merchant, URL + "?new")
    assert [session.store.exists(source_key(merchant, hashed(number))) for number in range(2)] == [False, True]


@pytest.mark.usefixtures("a_day_later")
def test_what_is_put_again_between_the_last_look_and_the_deletion_is_young_and_stays(session: Session) -> None:
    key = source_key(1, hashed(1))
    session.store.put(key, b"photo")
    ((found,),) = [keys for keys in orphans.orphans(session.engine, session.store, orphans.GRACE) if keys]
    session.store.put(key, b"photo")
    assert orphans.delete_old(session.store, [found], timedelta(hours=1)) == 0
    assert session.store.exists(key)
