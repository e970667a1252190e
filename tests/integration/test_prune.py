"""Retention: what goes, what stays, and who may be at work meanwhile."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from producer.commands.main import make_app
from shared.context import Session
from shared.database import transaction
from shared.merchants.actors import operator
from shared.operations import prune
from shared.operations.prune import Pruned
from shared.queue import chunks, renditions
from shared.queue.batches import get_batch
from shared.queue.outcomes import Succeeded
from shared.queue.renditions import NewRendition, RenditionKey
from tests.builders import add_finished, add_waiting
from tests.invariants import assert_nothing_lost
from tests.waiting import wait_for_blocked_connection

DAYS = 30
JOBS = 200
FAILED = 2


def let_days_pass(session: Session, batch_id: UUID, days: int = DAYS + 1) -> None:
    with transaction(session.engine) as connection:
        connection.execute(
            text("UPDATE batches SET finished_at = clock_timestamp() - make_interval(days => :days) WHERE id = :id"),
            {"days": days, "id": batch_id},
        )


def put_objects(session: Session) -> list[str]:
    """Put an object for each rendition there is; return their keys."""
    with transaction(session.engine) as connection:
        keys = list(connection.execute(text("SELECT object_key FROM renditions ORDER BY id")).scalars())
    for key in keys:
        session.store.put(key, b"pixels")
    return keys


def left(session: Session) -> dict[str, int]:
    with transaction(session.engine) as connection:
        tables = ("batches", "chunks", "jobs", "job_renditions", "renditions")
        return {t: connection.execute(text(f"SELECT count(*) FROM {t}")).scalar_one() for t in tables}


def prune_all(session: Session) -> Pruned:
    return prune.prune(session.engine, session.store, operator(), DAYS, lambda _: None)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "SLICE_CHUNKS", 2)


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put is no longer new; a store's clock cannot be set back."""
    monkeypatch.setattr(prune, "GRACE", timedelta(0))


@pytest.mark.usefixtures("an_hour_later")
def test_what_ended_long_ago_goes_with_its_objects_and_nothing_else_does(session: Session) -> None:
    with transaction(session.engine) as connection:
        old, recent = add_finished(connection, "shop", JOBS), add_finished(connection, "shop", JOBS)
        running = add_waiting(connection, "shop", JOBS)
    let_days_pass(session, old.id)
    let_days_pass(session, recent.id, DAYS - 1)
    keys = put_objects(session)
    done = prune_all(session)
    made = JOBS - FAILED
    assert done == Pruned(batches=1, jobs=JOBS, renditions=made, objects=made)
    assert left(session) == {
        "batches": 2,
        "chunks": 8,
        "jobs": 2 * JOBS,
        "job_renditions": made,
        "renditions": made,
    }
    assert [session.store.exists(key) for key in keys] == [False] * made + [True] * made
    with transaction(session.engine) as connection:
        assert get_batch(connection, running.id) == running
    assert prune_all(session) == Pruned()


def test_an_interrupted_prune_goes_on_where_it_was(session: Session) -> None:
    with transaction(session.engine) as connection:
        old = add_finished(connection, "shop", JOBS)
    let_days_pass(session, old.id)

    def interrupt(_: Pruned) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune.prune(session.engine, session.store, operator(), DAYS, interrupt)
    rest = left(session)
    assert 0 < rest["jobs"] < JOBS
    assert rest["renditions"] == rest["job_renditions"]
    assert prune_all(session).batches == 1
    assert set(left(session).values()) == {0}


@pytest.mark.usefixtures("an_hour_later")
def test_an_object_that_another_rendition_names_stays(session: Session) -> None:
    with transaction(session.engine) as connection:
        old = add_finished(connection, "shop", 3)
        connection.execute(
            text("""
            INSERT INTO renditions (merchant_id, source_sha256, look_sha256, trunk_sha256, preset, pipeline_version,
                                    object_key, sha256, bytes, width, height)
            SELECT merchant_id, source_sha256, 'another', trunk_sha256, preset, pipeline_version, object_key, sha256,
                   bytes, width, height
            FROM renditions ORDER BY id LIMIT 1
            """)
        )
    let_days_pass(session, old.id)
    named, other, *_ = put_objects(session)
    assert prune_all(session) == Pruned(batches=1, jobs=3, renditions=3, objects=2)
    assert session.store.exists(named)
    assert not session.store.exists(other)


def test_an_object_that_was_put_just_now_stays(session: Session) -> None:
    """A worker makes the rendition anew, and is about to record it."""
    with transaction(session.engine) as connection:
        old = add_finished(connection, "shop", 3)
    let_days_pass(session, old.id)
    keys = put_objects(session)
    assert prune_all(session) == Pruned(batches=1, jobs=3, renditions=3, objects=0)
    assert all(session.store.exists(key) for key in keys)


def test_a_rendition_that_is_being_reused_stays_and_is_linked(session: Session) -> None:
    """The reuse is recorded, but not yet committed, when prune comes to the only other batch that has it."""
    claim, reuse = reused_batch(session)
    pruned: list[Pruned] = []
    pruning = threading.Thread(target=lambda: pruned.append(prune_all(session)))
    with transaction(session.engine) as connection:
        assert chunks.finish(connection, claim, [reuse], 60)
        pruning.start()
        wait_for_blocked_connection(session)
    pruning.join()
    assert pruned == [Pruned(batches=1, jobs=1)]
    with transaction(session.engine) as connection:
        chunks.release(connection, claim)
        assert get_batch(connection, claim.batch.id).reused == 1
    assert left(session)["renditions"] == left(session)["job_renditions"] == 1


def test_a_job_whose_rendition_was_pruned_before_reuse_makes_it_anew(
    session: Session,
) -> None:
    claim, reuse = reused_batch(session)
    assert prune_all(session).renditions == 1
    with transaction(session.engine) as connection:
        assert chunks.finish(connection, claim, [reuse], 60)
        chunks.release(connection, claim)
        assert get_batch(connection, claim.batch.id).done == 0
        again = chunks.claim(connection, claim.chunk_id, uuid4(), 60)
        assert again
        (key,) = reuse.keys
        sha256 = "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a"
        session.store.put(f"renditions/{sha256}", bytes([1, 2, 3, 4]))
        made = NewRendition(key, f"renditions/{sha256}", sha256, 4, 1, 1)
        assert chunks.finish(connection, again, [Succeeded(0, [key], [made])], 60)
        chunks.release(connection, again)
    assert assert_nothing_lost(session, claim.batch.id)["succeeded"] == 1


def reused_batch(session: Session) -> tuple[chunks.Claim, Succeeded]:
    """Add an old batch of one job and a running one that has found its rendition."""
    with transaction(session.engine) as connection:
        old = add_finished(connection, "shop", 1)
        add_waiting(connection, "shop", 1)
        chunk = connection.execute(text("SELECT id FROM chunks WHERE state = 'waiting'")).scalar_one()
        row = connection.execute(text("SELECT source_sha256, look_sha256, trunk_sha256, preset FROM renditions")).one()
        key = RenditionKey(*row)
        claim = chunks.claim(connection, chunk, uuid4(), 60)
        assert claim
        assert renditions.find_renditions(connection, old.merchant_id, [key])
    let_days_pass(session, old.id)
    return claim, Succeeded(0, [key], [])


def test_the_command_says_what_it_would_do_and_does_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(session.engine) as connection:
        old = add_finished(connection, "shop", JOBS)
    let_days_pass(session, old.id)
    settings = session.settings
    assert settings.database_url
    assert settings.broker_url
    monkeypatch.setenv("ATELIER_DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("ATELIER_BROKER_URL", settings.broker_url.get_secret_value())
    monkeypatch.setenv("ATELIER_HOME", str(settings.home))
    command = ["prune", "--older-than", str(DAYS), "--json"]
    figures = {"batches": 1, "jobs": JOBS, "renditions": 0, "objects": 0, "copies": 0, "orphans": 0, "publications": 0}
    assert json.loads(CliRunner().invoke(make_app(), [*command, "--dry-run"]).stdout) == figures | {"dry_run": True}
    assert left(session)["jobs"] == JOBS
    done = json.loads(CliRunner().invoke(make_app(), command).stdout)
    assert done == figures | {"renditions": JOBS - FAILED, "dry_run": False}
    assert left(session)["jobs"] == 0
