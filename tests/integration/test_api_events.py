"""Batches that are followed over HTTP: from how they stand to their end, without asking again and again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text
from starlette.testclient import TestClient

from producer.api import events
from shared.context import Session
from shared.database import transaction
from shared.queue import batches
from shared.queue.batches import Batch, Counts
from tests.api_clients import client_of
from tests.builders import add_finished, add_waiting


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as client:
        yield client


def waiting(session: Session, jobs: int = 4) -> Batch:
    with transaction(session.engine) as connection:
        return add_waiting(connection, "shop", jobs)


def count(session: Session, batch: Batch, counts: Counts) -> None:
    with transaction(session.engine) as connection:
        batches.add_counts(connection, batch.id, counts)


def fail(session: Session, batch: Batch, ordinal: int) -> None:
    with transaction(session.engine) as connection:
        connection.execute(
            text("UPDATE jobs SET state = 'failed', code = 'unreadable_image' WHERE batch_id = :id AND ordinal = :one"),
            {"id": batch.id, "one": ordinal},
        )
        batches.add_counts(connection, batch.id, Counts(failed=1))


def told(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Yield (event, data) as they come."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_a_batch_is_followed_to_its_end(session: Session, shop: TestClient) -> None:
    batch = waiting(session)
    with shop.stream("GET", f"/v1/batches/{batch.id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = told(answer.iter_lines())
        kind, first = next(found)
        assert (kind, first["state"], first["succeeded"]) == ("batch", "running", 0)
        count(session, batch, Counts(succeeded=1, reused=1))
        assert next(found)[1]["reused"] == 1
        fail(session, batch, 2)
        kind, failure = next(found)
        assert (kind, failure["ordinal"], failure["code"]) == ("failed", 2, "unreadable_image")
        assert next(found)[1]["failed"] == 1
        count(session, batch, Counts(succeeded=2))
        assert next(found)[1]["state"] == "finished"
        assert list(found) == []


def test_who_comes_late_hears_how_things_stand(session: Session, shop: TestClient) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", 200)
    with shop.stream("GET", f"/v1/batches/{batch.id}/events") as answer:
        kinds = [kind for kind, _ in told(answer.iter_lines())]
    assert kinds == ["failed", "failed", "batch"]


def test_nobody_follows_another_merchants_batch(session: Session, shop: TestClient) -> None:
    batch = waiting(session)
    with client_of(session, "other") as other:
        assert other.get(f"/v1/batches/{batch.id}/events").status_code == 404
    assert shop.get("/v1/batches/none/events").status_code == 404


def test_a_batch_that_is_removed_ends_its_stream(session: Session, shop: TestClient) -> None:
    batch = waiting(session)
    with shop.stream("GET", f"/v1/batches/{batch.id}/events") as answer:
        found = told(answer.iter_lines())
        next(found)
        with transaction(session.engine) as connection:
            connection.execute(text("DELETE FROM chunks WHERE batch_id = :id"), {"id": batch.id})
            connection.execute(text("DELETE FROM jobs WHERE batch_id = :id"), {"id": batch.id})
            connection.execute(text("DELETE FROM batches WHERE id = :id"), {"id": batch.id})
        assert list(found) == []


def test_a_stream_that_begins_during_a_look_at_others_goes_on(session: Session, shop: TestClient) -> None:
    first, second = waiting(session, 1), waiting(session, 1)
    looking, go_on = threading.Event(), threading.Event()

    def delay(*details: Any) -> None:
        if "id = ANY" in details[2] and not looking.is_set():
            looking.set()
            go_on.wait()

    with shop.stream("GET", f"/v1/batches/{first.id}/events") as one:
        next(told(one.iter_lines()))
        event.listen(session.engine, "before_cursor_execute", delay)
        try:
            assert looking.wait(60)
            with shop.stream("GET", f"/v1/batches/{second.id}/events") as two:
                found = told(two.iter_lines())
                next(found)
                go_on.set()
                count(session, second, Counts(succeeded=1))
                assert next(found)[1]["state"] == "finished"
        finally:
            go_on.set()
            event.remove(session.engine, "before_cursor_execute", delay)


def test_many_streams_are_one_look_at_the_database(session: Session) -> None:
    many = [waiting(session, 1) for _ in range(20)]
    changes = {"api_requests_at_once": len(many)}
    wide = Session(session.settings.model_copy(update=changes), session.engine, session.store, session.broker)
    looks: list[str] = []
    event.listen(session.engine, "before_cursor_execute", lambda *details: looks.append(details[2]))
    ended = []

    def follow(shop: TestClient, batch: Batch) -> None:
        with shop.stream("GET", f"/v1/batches/{batch.id}/events") as answer:
            ended.append([data["state"] for _, data in told(answer.iter_lines())][-1])

    with client_of(wide, "shop") as shop:
        threads = [threading.Thread(target=follow, args=(shop, batch)) for batch in many]
        for thread in threads:
            thread.start()
        for batch in many:
            count(session, batch, Counts(succeeded=1))
        for thread in threads:
            thread.join()
    assert ended == ["finished"] * len(many)
    assert any("id = ANY" in statement for statement in looks)


def test_a_stream_counts_as_a_stream_and_not_as_a_request(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.api.app.STREAMS_AT_ONCE", 1)
    changes = {"api_requests_at_once": 1}
    limited = Session(session.settings.model_copy(update=changes), session.engine, session.store, session.broker)
    batch = waiting(session, 1)
    with client_of(limited, "shop") as shop, shop.stream("GET", f"/v1/batches/{batch.id}/events") as answer:
        found = told(answer.iter_lines())
        next(found)
        assert shop.get("/v1/batches").status_code == 200
        assert shop.get(f"/v1/batches/{batch.id}/events").status_code == 429
        count(session, batch, Counts(succeeded=1))
        assert next(found)[1]["state"] == "finished"


def test_a_process_that_stops_ends_its_streams(session: Session, shop: TestClient) -> None:
    with shop.stream("GET", f"/v1/batches/{waiting(session).id}/events") as answer:
        found = told(answer.iter_lines())
        next(found)
        app: Any = shop.app
        app.state.watch.stopping = lambda: True
        assert list(found) == []


def test_failures_are_told_once_and_not_without_end(
    session: Session, shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FAILURES", 2)
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", 400)
    with shop.stream("GET", f"/v1/batches/{batch.id}/events") as answer:
        assert [kind for kind, _ in told(answer.iter_lines())] == ["failed", "failed", "batch"]


def test_a_failure_is_told_also_after_an_earlier_one_was_retried_with_success(
    session: Session, shop: TestClient
) -> None:
    batch = waiting(session)
    fail(session, batch, 0)
    with shop.stream("GET", f"/v1/batches/{batch.id}/events") as answer:
        found = told(answer.iter_lines())
        assert [next(found)[0], next(found)[0]] == ["failed", "batch"]
        with transaction(session.engine) as connection:
            connection.execute(
                text("UPDATE jobs SET state = 'succeeded', code = NULL WHERE batch_id = :id AND ordinal = 0"),
                {"id": batch.id},
            )
            connection.execute(
                text("UPDATE jobs SET state = 'failed', code = 'x' WHERE batch_id = :id AND ordinal = 1"),
                {"id": batch.id},
            )
            batches.add_counts(connection, batch.id, Counts(succeeded=1))
        kind, failure = next(found)
        assert (kind, failure["ordinal"]) == ("failed", 1)
        assert next(found)[1]["succeeded"] == 1
        count(session, batch, Counts(succeeded=2))
        assert next(found)[1]["state"] == "finished"
