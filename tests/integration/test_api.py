"""The HTTP API, as a merchant's program uses it, and as others try to."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
import structlog
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import text
from starlette.testclient import TestClient

from producer.api.app import make_app
from shared.context import Session
from shared.database import make_engine, transaction
from shared.merchants import keys
from shared.merchants.merchants import merchant_id
from shared.models.promotion.verdicts import ContactSheet, VerdictFigures, add_verdict, judge
from shared.models.versions import champion
from tests.callers import PLACES, admin_of, client_of
from tests.filled import FAILED_IN, add_catalog, add_finished, add_proof, add_waiting
from tests.requests_by_schema import Known, requests
from tests.versions import add_version


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def csv(*images: str) -> tuple[str, bytes]:
    rows = "".join(f"sku-{number},{image}\n" for number, image in enumerate(images))
    return "feed.csv", f"sku,image\n{rows}".encode()


def test_a_batch_is_handed_in_watched_and_steered(session: Session, shop: TestClient) -> None:
    made = shop.post(
        "/v1/batches",
        json={"styles": ["udnie"], "images": [{"sku": "mug", "image": "https://shop.example/mug.jpg"}]},
    )
    assert made.status_code == 201, made.text
    batch = made.json()
    assert (batch["total"], batch["state"], batch["resumed"]) == (1, "running", False)
    assert made.headers["location"] == f"/v1/batches/{batch['batch']}"
    at = made.headers["location"]
    assert shop.get(at).json()["queue"] == "bulk"
    assert shop.post(f"{at}/pause").json()["paused"] is True
    assert shop.post(f"{at}/resume").json()["paused"] is False
    jobs = shop.get(f"{at}/jobs").json()
    assert [(one["sku"], one["state"], one["style"]) for one in jobs["jobs"]] == [("mug", "queued", "udnie")]
    assert jobs["after"] is None
    cancelled = shop.post(f"{at}/cancel").json()
    assert (cancelled["state"], cancelled["cancelled"]) == ("cancelled", 1)
    refused = shop.post(f"{at}/pause")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_the_same_again_is_the_same_batch_while_it_runs(shop: TestClient) -> None:
    def send(name: str = "feed.csv", key: str | None = None) -> Any:
        file = (name, csv("https://shop.example/mug.jpg")[1])
        headers = {"Idempotency-Key": key} if key else {}
        return shop.post("/v1/batches/manifest", files={"manifest": file}, data={"styles": "udnie"}, headers=headers)

    first, again = send(), send()
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["batch"] == first.json()["batch"]
    assert again.json()["resumed"] is True
    other = send(key="order-17")
    assert other.json()["batch"] != first.json()["batch"]
    assert send(key="order-17").json()["batch"] == other.json()["batch"]


@pytest.mark.parametrize("key", [None, "order"], ids=["without a key", "with a key"])
def test_the_same_submission_at_the_same_time_is_one_batch(shop: TestClient, key: str | None) -> None:
    def send(number: int, together: Barrier) -> Any:
        together.wait()
        body = {"styles": ["udnie"], "images": [{"sku": "mug", "image": f"https://shop.example/{number}.jpg"}]}
        headers = {"Idempotency-Key": f"{key}-{number}"} if key else {}
        return shop.post("/v1/batches", json=body, headers=headers)

    with ThreadPoolExecutor(6) as at_once:
        for number in range(5):
            together = Barrier(6)
            answers = [one.result() for one in [at_once.submit(send, number, together) for _ in range(6)]]
            assert sorted(one.status_code for one in answers) == [200] * 5 + [201]
            assert len({one.json()["batch"] for one in answers}) == 1
    assert len(shop.get("/v1/batches").json()["batches"]) == 5


def test_a_submission_under_a_key_is_one_batch_for_good_and_no_other_images_pass_for_it(
    session: Session, shop: TestClient
) -> None:
    def send(image: str, style: str = "udnie", client: TestClient = shop) -> Any:
        body = {"styles": [style], "images": [{"sku": "mug", "image": f"https://shop.example/{image}"}]}
        return client.post("/v1/batches", json=body, headers={"Idempotency-Key": "order-17"})

    with ThreadPoolExecutor(4) as at_once:
        answers = [one.result() for one in [at_once.submit(send, "mug.jpg") for _ in range(4)]]
    made = [one.json()["batch"] for one in answers if one.status_code in (200, 201)]
    assert {one.status_code for one in answers} <= {200, 201, 409}
    assert {one.json()["code"] for one in answers if one.status_code == 409} <= {"submission_under_way", "conflict"}
    assert len(set(made)) == 1
    shop.post(f"/v1/batches/{made[0]}/cancel")
    again = send("mug.jpg").json()
    assert (again["batch"], again["state"], again["resumed"]) == (made[0], "cancelled", True)
    for other in (send("lamp.jpg"), send("mug.jpg", "pastel")):
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    with client_of(session, "other") as stranger:
        assert send("mug.jpg", client=stranger).status_code == 201


def test_a_manifest_may_name_no_path_of_ours_and_no_bucket_that_is_not_allowed(shop: TestClient) -> None:
    done = shop.post(
        "/v1/batches/manifest",
        files={"manifest": csv("/etc/passwd", "file:///etc/passwd", "s3://others/mug.jpg", "zip:///etc/x.zip!/a")},
        data={"styles": ["udnie"]},
    ).json()
    assert (done["total"], done["failed"], done["state"]) == (4, 4, "finished")
    jobs = shop.get(f"/v1/batches/{done['batch']}/jobs").json()["jobs"]
    assert [one["code"] for one in jobs][:2] == ["local_path_refused"] * 2
    errors = shop.get(f"/v1/batches/{done['batch']}/errors.csv")
    assert errors.status_code == 200
    assert errors.text.splitlines()[0] == "sku,image,code,message,retryable"
    assert len(errors.text.splitlines()) == 5


def test_an_archive_is_taken_in_with_its_pictures(session: Session, shop: TestClient) -> None:
    picture, archive = io.BytesIO(), io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(picture, "PNG")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("photos/mug.png", picture.getvalue())
    done = shop.post(
        "/v1/batches/manifest",
        files={"manifest": ("photos.zip", archive.getvalue())},
        data={"styles": ["udnie", "pastel"], "format": "webp", "preview": "true"},
    )
    assert done.status_code == 201, done.text
    assert (done.json()["total"], done.json()["failed"], done.json()["queue"]) == (2, 0, "preview")


def test_what_was_made_is_listed_and_given_out(session: Session, shop: TestClient) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", 2 * FAILED_IN)
    listed = shop.get(f"/v1/batches/{batch.id}/jobs", params={"limit": 5}).json()
    assert [one["ordinal"] for one in listed["jobs"]] == [0, 1, 2, 3, 4]
    assert listed["after"] == 4
    assert shop.get(f"/v1/batches/{batch.id}/jobs", params={"limit": 5, "after": 4}).json()["jobs"][0]["ordinal"] == 5
    at = listed["jobs"][0]["renditions"]["jpeg"]
    gone = shop.get(at)
    assert (gone.status_code, gone.json()["code"]) == (404, "missing_object")
    with transaction(session.engine) as connection:
        key = connection.exec_driver_sql(
            "SELECT r.object_key FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id WHERE ordinal = 0"
        ).scalar_one()
    session.store.put(key, b"picture")
    given = shop.get(at)
    assert (given.status_code, given.content) == (200, b"picture")
    assert given.headers["x-content-type-options"] == "nosniff"
    table = shop.get(f"/v1/batches/{batch.id}/results.csv")
    assert len(table.text.splitlines()) == 2 * FAILED_IN + 1
    assert shop.post(f"/v1/batches/{batch.id}/retry").json()["state"] == "running"


def test_batches_are_listed_a_page_at_a_time(session: Session, shop: TestClient) -> None:
    with transaction(session.engine) as connection:
        ids = [str(add_waiting(connection, "shop", 1).id) for _ in range(5)]
    first = shop.get("/v1/batches", params={"limit": 3}).json()
    rest = shop.get("/v1/batches", params={"limit": 3, "before": first["before"]}).json()
    assert [one["batch"] for one in first["batches"] + rest["batches"]] == ids[::-1]
    assert rest["before"] is None


def routes(session: Session) -> list[tuple[str, str]]:
    app = make_app(session)
    paths = app.openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods if path.startswith("/v1")]


BODIES: dict[str, Any] = {
    "/v1/reviews/{batch}/{ordinal}/reject": lambda _: {"reason": "no"},
    "/v1/catalog/revert": lambda batch: {"batch": batch},
}


def test_no_route_knows_a_batch_of_another_merchant_and_none_opens_without_a_key(session: Session) -> None:
    with transaction(session.engine) as connection:
        theirs = [add_finished(connection, "other", FAILED_IN).id, add_waiting(connection, "other", 3).id]
        proof = add_proof(connection, theirs[1])
    walked = 0
    with client_of(session, "shop") as shop, client_of(session, None) as nobody:
        for method, path in routes(session):
            for batch in theirs:
                choices = PLACES | {"batch": batch, "proof": proof}
                for action in ("cancel", "pause", "resume", "retry") if "{action}" in path else ("",):
                    for table in ("results", "errors") if "{table}" in path else ("",):
                        url = path.format(**choices | {"action": action, "table": table})
                        assert nobody.request(method, url).status_code == 401, (method, url)
                        if path.startswith("/v1/admin/"):
                            assert shop.request(method, url).status_code == 403, (method, url)
                            continue
                        if not re.search("{batch}|{proof}", path) and path not in BODIES:
                            continue
                        body = BODIES[path](str(batch)) if path in BODIES else None
                        answer = shop.request(method, url, json=body)
                        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (method, url)
                        walked += 1
        assert shop.get("/v1/batches", params={"before": str(theirs[0])}).status_code == 404
        assert shop.get("/v1/batches").json()["batches"] == []
    assert walked >= 20


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


def test_a_rendition_is_given_out_by_the_store_only_where_callers_reach_that(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", 1)
        key = connection.exec_driver_sql("SELECT object_key FROM renditions").scalar_one()
    session.store.put(key, b"picture")
    monkeypatch.setattr(session.store, "presigned_url", lambda *_, **__: "https://s3.example/signed")
    for own, public, status in (
        ("http://s3:8333", None, 200),
        ("http://s3:8333", "https://cdn", 307),
        (None, None, 307),
    ):
        urls = {"s3_endpoint_url": own, "s3_public_endpoint_url": public}
        with client_of(replace(session, settings=session.settings.model_copy(update=urls)), "shop") as shop:
            answer = shop.get(f"/v1/batches/{batch.id}/jobs/0/renditions/jpeg", follow_redirects=False)
        assert answer.status_code == status


def test_a_request_has_an_id_a_count_and_no_path_in_its_figures(session: Session) -> None:
    registry = CollectorRegistry()
    with client_of(session, "shop", registry) as shop:
        assert shop.get("/v1/styles", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
        assert shop.get("/secret", headers={"X-Request-ID": "a b\n"[:3]}).headers["x-request-id"] != "a b"
    told = generate_latest(registry).decode()
    assert 'route="/v1/styles",status="200"' in told
    assert "secret" not in told


def test_it_is_ready_when_its_services_answer(session: Session) -> None:
    with client_of(session, None) as nobody:
        assert nobody.get("/livez").text == "ok\n"
        assert nobody.get("/readyz").status_code == 200
        with transaction(session.engine) as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0009'")
        ill = nobody.get("/readyz")
        assert (ill.status_code, ill.json()["code"]) == (503, "unavailable")
        assert "atelier db upgrade" in ill.json()["detail"]


def test_the_catalogue_is_listed_and_its_looks(shop: TestClient) -> None:
    assert shop.get("/v1/catalog/images").json() == {"images": [], "after": None}
    assert shop.get("/v1/catalog/looks").json() == []
    assert shop.get("/v1/catalog/history", params={"sku": "mug"}).json() == []
    assert shop.post("/v1/catalog/revert", json={"sku": "mug"}).json() == {"moved": 0}
    assert {"name", "title", "artist"} <= shop.get("/v1/styles").json()[0].keys()


FEEDS = [
    "sku,image\nA,https://shop.example/a.jpg\n",
    '{"sku": "A", "image": "s3://b/a.jpg"}',
    "sku\n",
    "\0",
    "<a><b/></a>",
]


Fuzzed = tuple[TestClient, TestClient, Any, Known]


@pytest.fixture
def fuzzed(session: Session) -> Iterator[Fuzzed]:
    version = add_version(session, "second")
    with transaction(session.engine) as connection:
        add_catalog(connection, batch := add_finished(connection, "shop", 3))
        run = connection.exec_driver_sql("SELECT id::text FROM training_runs").scalar_one()
        figures = VerdictFigures(judge({}, {}))
        proof = add_proof(connection, add_waiting(connection, "shop", 3).id)
        verdict = add_verdict(
            connection, (version, champion(connection).id), figures, ContactSheet("sheets/a.png"), "me@here"
        )
        connection.execute(
            text("INSERT INTO reviews (batch_id, ordinal, merchant_id) SELECT batch_id, ordinal, merchant_id FROM jobs")
        )
    known: Known = {
        "batch": [str(batch.id), batch.id.hex[:8], str(uuid4()), "0"],
        "manifest": FEEDS,
        "styles": [["udnie"], ["udnie", "pastel:0.5,udnie:0.5"], ["nope"], ["udnie:nan"]],
        "image": ["https://shop.example/a.jpg", "/etc/passwd", "s3://bucket/a.jpg"],
        "sku": ["sku", "a\0b"],
        "crontab": ["30 1 * * *", "0 0 30 2 *", "*/0 * * * *", "1-99999999 * * * *"],
        "zone": ["UTC", "Europe/Berlin", "../etc/passwd", "a\0"],
        "preset": ["jpeg", "\0"],
        "ordinal": [0, 1, 2**31 - 1],
        "after": [f"{batch.id}:0", f"{batch.id}:000000009", 0, 1, "shop"],
        "version": [version, 2**63 - 1],
        "champion": [version, version - 1],
        "verdict": [verdict.id],
        "run": [run, run[:8], "-"],
        "merchant": ["shop", "nobody"],
        "proof": [proof],
        "reason": ["it is better", " "],
        "rule": ["if-better", "if-no-style-regresses-by 5%", "always", "\0"],
    }
    with client_of(session, "shop") as shop, admin_of(session) as admin:
        yield shop, admin, make_app(session).openapi(), known


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_that_is_sent_makes_it_fail(fuzzed: Fuzzed, data: st.DataObject) -> None:
    shop, admin, document, known = fuzzed
    sent = data.draw(requests(document, known))
    answer = (admin if sent.url.startswith("/v1/admin/") else shop).request(
        sent.method, sent.url, params=sent.params, headers=sent.headers, content=sent.content, follow_redirects=False
    )
    assert answer.status_code < 500, (sent, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


def test_jobs_are_listed_by_state_a_page_at_a_time(
    session: Session, shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.queue.job_pages.SEARCHED_AT_ONCE", 64)
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", 3 * FAILED_IN)

    def read(state: str, limit: int) -> list[int]:
        found: list[int] = []
        after: int | None = -1
        while after is not None:
            query: dict[str, str | int] = {"state": state, "limit": limit, "after": after}
            page = shop.get(f"/v1/batches/{batch.id}/jobs", params=query).json()
            found += [one["ordinal"] for one in page["jobs"]]
            after = page["after"]
        return found

    failed = [FAILED_IN - 1, 2 * FAILED_IN - 1, 3 * FAILED_IN - 1]
    assert read("failed", 2) == read("failed", 3) == failed
    assert read("succeeded", 100) == [n for n in range(3 * FAILED_IN) if n not in failed]
    assert read("queued", 10) == []
    assert shop.get(f"/v1/batches/{batch.id}/jobs", params={"state": "lost"}).status_code == 422


def test_a_schedule_is_set_shown_and_removed_by_its_merchant_alone(session: Session, shop: TestClient) -> None:
    at = "/v1/schedules/nightly"
    assert shop.get(at).status_code == 404
    wish = {"crontab": "30 1 * * *", "zone": "Europe/Berlin", "ends_at": "06:00", "images": 500, "presets": ["webp"]}
    made = shop.put(at, json=wish)
    assert made.status_code == 200, made.text
    assert {name: made.json()[name] for name in wish} == wish
    assert len(made.json()["next"]) == 3
    assert shop.get(at).json() == made.json()
    for wrong in ({"crontab": "0 2 30 2 *"}, {"zone": "X"}, {"ends_at": "25:00"}, {"presets": ["gif"]}, {"images": 0}):
        assert shop.put(at, json=wish | wrong).status_code in (400, 422), wrong
    with client_of(session, "other") as other:
        assert other.get(at).status_code == other.delete(at).status_code == 404
    with transaction(session.engine) as connection:
        entry = connection.exec_driver_sql("SELECT who, what FROM audit ORDER BY id DESC LIMIT 1").one()
    assert entry.what == "schedules set"
    assert entry.who.startswith("key ")
    assert shop.delete(at).status_code == 204
    assert shop.get(at).status_code == 404


def test_every_route_is_described(session: Session) -> None:
    app = make_app(session)
    for route in app.routes:
        if isinstance(route, APIRoute):
            assert route.description, route.path
    assert app.openapi()["info"]["title"] == "Atelier"
