"""The HTTP API, as a merchant's program uses it, and as others try to."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from fastapi.routing import APIRoute
from PIL import Image
from prometheus_client import CollectorRegistry, generate_latest
from starlette.testclient import TestClient

from producer.api.app import make_app
from shared.context import Session
from shared.database import transaction
from tests.api_clients import PLACES, client_of, csv, routes
from tests.builders import FAILED_IN, add_finished, add_proof, add_waiting


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


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


def test_an_idempotency_key_names_one_batch_for_good_and_no_other_images(session: Session, shop: TestClient) -> None:
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


BODIES: dict[str, Any] = {
    "/v1/reviews/{batch}/{ordinal}/reject": lambda _: {"reason": "no"},
    "/v1/batches/{batch}/jobs/retry": lambda _: {"ordinals": [0]},
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
