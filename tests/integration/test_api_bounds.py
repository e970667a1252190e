"""What one caller can take of the API: requests, connections to the database, memory for metrics."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import event
from starlette.testclient import TestClient

from producer.api.app import make_app
from producer.api.server import listening
from producer.output.export import batch_results
from shared.context import Session
from shared.database import transaction
from tests.api_clients import client_of
from tests.builders import add_finished


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as client:
        yield client


def test_a_key_that_asks_too_often_is_told_when_to_come_back(session: Session) -> None:
    changes = {"api_requests_per_second": 0.001}
    limited = Session(session.settings.model_copy(update=changes), session.engine, session.store, session.broker)
    with client_of(limited, "shop") as shop:
        answers = [shop.get("/v1/batches") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert 0 < int(answers[1].headers["Retry-After"]) <= 1000
    assert answers[1].json()["code"] == "too_many_requests"
    assert answers[1].json()["retryable"] is True


def test_every_answer_says_what_a_key_may_still_send(session: Session) -> None:
    changes = {"api_requests_per_second": 0.001}
    limited = Session(session.settings.model_copy(update=changes), session.engine, session.store, session.broker)
    with client_of(limited, "shop") as shop:
        answers = [shop.get("/v1/batches") for _ in range(2)]
        assert "RateLimit" not in shop.get("/livez").headers
    assert [answer.status_code for answer in answers] == [200, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"key";q=1;w=1000'}
    assert {answer.headers["RateLimit"].partition(";t=")[0] for answer in answers} == {'"key";r=0'}


def test_an_answered_request_is_no_longer_counted(session: Session) -> None:
    changes = {"api_requests_at_once": 1}
    limited = Session(session.settings.model_copy(update=changes), session.engine, session.store, session.broker)
    with client_of(limited, "shop") as shop:
        assert [shop.get(path).status_code for path in ("/v1/batches", "/v1/batches/none", "/v1/batches")] == [
            200,
            404,
            200,
        ]


def test_results_are_read_without_holding_a_connection(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.output.export.RESULTS_PAGE", 2)
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", 9)
    open_connections: list[object] = []
    event.listen(session.engine, "checkout", lambda _, record, __: open_connections.append(record))
    event.listen(session.engine, "checkin", lambda _, record: open_connections.remove(record))
    seen = [(result.ordinal, len(open_connections)) for result in batch_results(session, batch)]
    assert [ordinal for ordinal, _ in seen] == [ordinal for ordinal in range(batch.total)]
    assert {held for _, held in seen} == {0}


def test_methods_that_callers_invent_add_no_metric(session: Session) -> None:
    registry = CollectorRegistry()
    with TestClient(make_app(session, registry)) as anybody:
        for number in range(20):
            anybody.request(f"INVENTED{number}", "/v1/batches")
    text = generate_latest(registry).decode()
    assert "INVENTED" not in text
    assert 'method="other"' in text


def test_a_path_with_a_slash_too_many_is_not_redirected(shop: TestClient) -> None:
    answer = shop.get("/v1/batches/", headers={"Host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_answers_are_sent_at_once(tmp_path: Path) -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()) as caller:
        accepted, _ = listener.accept()
        with accepted:
            assert caller
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
