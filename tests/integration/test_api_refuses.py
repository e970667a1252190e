"""Who and what the API refuses, and how it says so."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
import structlog
from starlette.testclient import TestClient

from producer.api.app import make_app
from shared.context import Session
from shared.database import make_engine, transaction
from shared.merchants import keys
from shared.merchants.merchants import merchant_id
from tests.api_clients import PLACES, client_of, csv, routes


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def test_a_key_that_is_revoked_expired_or_made_up_opens_nothing(session: Session) -> None:
    with transaction(session.engine) as connection:
        merchant = merchant_id(connection, "shop")
        _, revoked = keys.create_key(connection, merchant, "revoked")
        _, expired = keys.create_key(connection, merchant, "expired", days=1)
        _, good = keys.create_key(connection, merchant, "good")
        keys.revoke_key(connection, merchant, "revoked")
        connection.exec_driver_sql("UPDATE api_keys SET expires_at = created_at WHERE name = 'expired'")
        stored = connection.exec_driver_sql("SELECT to_jsonb(k)::text FROM api_keys k").scalars().all()
    assert not any(secret in row for secret in (revoked, expired, good) for row in stored)
    with client_of(session, None) as nobody:
        for secret in (revoked, expired, good + "x", "", "x" * 10_000):
            answer = nobody.get("/v1/batches", headers={"Authorization": f"Bearer {secret}"})
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
        assert nobody.get("/v1/batches", headers={"Authorization": f"Bearer {good}"}).status_code == 200
        assert nobody.get("/v1/batches", headers={"Authorization": f"Basic {good}"}).status_code == 401


def test_errors_are_problems_with_codes(session: Session, shop: TestClient) -> None:
    image = {"sku": "1", "image": "https://shop.example/1.jpg"}
    wish = {"styles": "udnie"}
    cases = [
        (shop.post("/v1/batches", json={"styles": ["nope"], "images": [image]}), 400, "unknown_style"),
        (shop.post("/v1/batches", json={"styles": ["udnie"], "images": []}), 422, "invalid_request"),
        (shop.post("/v1/batches", json={"styles": ["udnie"], "images": [image], "x": 1}), 422, "invalid_request"),
        (shop.post("/v1/batches", content=b"{", headers={"Content-Type": "application/json"}), 422, "invalid_request"),
        (
            shop.post("/v1/batches/manifest", files={"manifest": ("a.rar", b"Rar!")}, data=wish),
            422,
            None,
        ),
        (shop.get(f"/v1/batches/{uuid4()}"), 404, "not_found"),
        (shop.get("/v1/nothing"), 404, "not_found"),
        (shop.post("/v1/catalog/revert", json={"sku": "\0"}), 422, "invalid_request"),
        (shop.get("/v1/catalog/history", params={"sku": "\0"}), 422, "invalid_request"),
        (shop.delete("/v1/batches"), 405, "method_not_allowed"),
        (shop.get("/v1/batches", params={"limit": 10_000}), 422, "invalid_request"),
    ]
    for answer, status, code in cases:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        document = answer.json()
        assert document["status"] == status
        assert document["detail"]
        assert code in (None, document["code"])


def test_what_is_too_large_is_refused_whether_its_length_is_told_or_not(session: Session) -> None:
    small = session.settings.model_copy(update={"max_upload_mib": 1})
    with client_of(replace(session, settings=small), "shop") as shop:
        big = b"sku,image\n" + b"x" * 2**21
        answer = shop.post("/v1/batches/manifest", files={"manifest": ("feed.csv", big)}, data={"styles": "udnie"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

        def chunks() -> Iterator[bytes]:
            for _ in range(10):
                yield b" " * 2**20

        answer = shop.post("/v1/batches", content=chunks(), headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_nothing_is_read_of_what_strangers_send_nor_forms_where_none_belong(session: Session) -> None:
    read = 0

    def form() -> Iterator[bytes]:
        nonlocal read
        yield b'--x\r\nContent-Disposition: form-data; name="manifest"; filename="a.csv"\r\n\r\n'
        for _ in range(10):
            read += 1
            yield b"x" * 2**20

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    with client_of(session, None) as nobody, client_of(session, "shop") as shop:
        for method, path in routes(session):
            url = path.format(**PLACES)
            assert nobody.request(method, url, content=form(), headers=kind).status_code == 401
        assert read == 0
        refused = shop.post("/v1/batches", content=form(), headers=kind)
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def test_a_form_has_few_fields_and_small_ones(shop: TestClient) -> None:
    for fields in ({"styles": "x" * 10_000}, {f"field-{number}": "x" for number in range(500)}):
        answer = shop.post("/v1/batches/manifest", files={"manifest": csv("https://a.example/a.jpg")}, data=fields)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_file_that_cannot_be_a_manifest_is_refused_and_no_path_of_ours_is_told(shop: TestClient) -> None:
    for name in ("..", ".", "mug.jpg", "a\0.csv", "x" * 300 + ".csv", "feed", "feed.xls"):
        answer = shop.post("/v1/batches/manifest", files={"manifest": (name, b"sku,image\n")}, data={"styles": "udnie"})
        assert answer.status_code == 422, name
        assert tempfile.gettempdir() not in answer.text


def test_a_bug_is_told_by_its_id_alone_with_the_headers_of_all_answers(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("producer.api.styles.list_styles", fails)
    with client_of(session, "shop") as shop, structlog.testing.capture_logs() as logs:
        answer = shop.get("/v1/styles", headers={"X-Request-ID": "mine-1"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert (answer.headers["x-request-id"], answer.headers["x-content-type-options"]) == ("mine-1", "nosniff")
    assert "hunter2" not in answer.text
    assert "request_failed" in [line["event"] for line in logs]


def test_who_asks_is_in_the_log_and_the_key_is_not(session: Session) -> None:
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, kept := structlog.testing.LogCapture()])
    with client_of(session, "shop") as shop:
        shop.get("/v1/catalog/history", params={"sku": "private"})
    structlog.reset_defaults()
    (line,) = [one for one in kept.entries if one["event"] == "request"]
    assert line["merchant"] == 1
    assert line["route"] == "/v1/catalog/history"
    assert "private" not in str(kept.entries)
    assert shop.headers["authorization"].removeprefix("Bearer ") not in str(kept.entries)


def test_servers_of_ours_that_do_not_answer_are_not_named(session: Session) -> None:
    away = replace(session, engine=make_engine("postgresql://user:hunter2@127.0.0.1:9/db"))
    with client_of(session, "shop") as shop, TestClient(make_app(away), headers=dict(shop.headers)) as cut:
        for path in ("/v1/styles", "/readyz"):
            answer = cut.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert answer.headers["retry-after"]
            assert "127.0.0.1" not in answer.text
    away.engine.dispose()
