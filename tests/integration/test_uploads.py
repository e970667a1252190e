"""Files that are sent in parts: in any order, resumed, twice at once, by one merchant only, and swept at the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from shared.context import Session
from shared.database import transaction
from shared.merchants.merchants import merchant_id
from shared.operations.belongings import own_objects
from shared.operations.erasure import erase
from shared.operations.orphans import delete_old, orphans
from shared.uploads.actions import sweep_uploads
from shared.uploads.parts import PART_BYTES
from tests.api_clients import client_of
from tests.uploading import begin, picture, send, uploaded, zipped

LARGE = bytes(range(256)) * (2 * PART_BYTES // 256) + b"end"
"""Content of two whole parts and a short one."""


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def stored(session: Session) -> list[str]:
    return [entry.key for entry in session.store.list("uploads/")]


def test_parts_come_in_any_order_and_an_upload_is_resumed(session: Session, shop: TestClient) -> None:
    archive = zipped({"a.png": picture(), "noise.bin": LARGE})
    upload = begin(shop, "shop.zip", archive)
    at = f"/v1/uploads/{upload['id']}"
    assert [part["size"] for part in upload["parts"]] == [PART_BYTES, PART_BYTES, len(archive) - 2 * PART_BYTES]
    first, _, third = upload["parts"]
    assert shop.put(third["url"], content=archive[2 * PART_BYTES :]).status_code == 204
    refused = shop.post(f"{at}/complete")
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_incomplete")
    assert "parts 1, 2 of 3" in refused.json()["detail"]
    now = shop.get(at).json()
    assert [part["received"] for part in now["parts"]] == [False, False, True]
    send(shop, now, archive)
    done = shop.post(f"{at}/complete").json()
    assert (done["state"], done["kind"]) == ("complete", "archive")
    assert shop.post(f"{at}/complete").json() == done
    late = shop.put(first["url"], content=archive[:PART_BYTES])
    assert (late.status_code, late.json()["code"]) == (409, "upload_complete")
    assert [one["id"] for one in shop.get("/v1/uploads").json()["uploads"]] == [upload["id"]]
    assert shop.delete(at).status_code == 204
    assert stored(session) == []
    assert shop.get(at).status_code == 404


def test_a_part_of_another_size_or_number_is_refused(shop: TestClient) -> None:
    upload = begin(shop, "red.png", data := picture())
    url = upload["parts"][0]["url"]
    for content in (data[:-1], data + b"x", b""):
        assert shop.put(url, content=content).json()["code"] == "bad_part"
    for number in (0, 2, -1, 10**30):
        assert shop.put(url[:-1] + str(number), content=data).status_code in (400, 422)
    assert shop.put(url, content=bytes(PART_BYTES + 1)).status_code == 413


def test_content_that_is_not_what_was_announced_can_be_sent_again(shop: TestClient) -> None:
    data = picture()
    upload = begin(shop, "red.png", data)
    shop.put(upload["parts"][0]["url"], content=bytes(len(data)))
    damaged = shop.post(f"/v1/uploads/{upload['id']}/complete")
    assert (damaged.status_code, damaged.json()["code"]) == (409, "upload_damaged")
    send(shop, upload, data)
    assert shop.post(f"/v1/uploads/{upload['id']}/complete").json()["kind"] == "picture"


HOSTILE = [
    *("", "..", "../red.jpg", "/etc/passwd", "a//b.jpg", "a\0.jpg", "a\n.jpg", "\\\\host\\a.jpg", "a/" * 40 + "b.jpg"),
    *("x" * 300 + ".jpg", "\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "x" * 4097),
]


def test_a_hostile_name_is_refused(shop: TestClient) -> None:
    for name in HOSTILE:
        refused = shop.post("/v1/uploads", json={"name": name, "size": 1})
        assert refused.status_code in (400, 422), name
        assert refused.json()["code"] in ("bad_name", "invalid_request")


def test_a_file_that_no_batch_can_be_made_of_is_refused(shop: TestClient) -> None:
    for name, data in (("notes.docx", b"PK\3\4x"), ("shop.zip", b"no zip"), ("a.rar", b"Rar!")):
        upload = begin(shop, name, data)
        send(shop, upload, data)
        refused = shop.post(f"/v1/uploads/{upload['id']}/complete")
        assert (refused.status_code, refused.json()["code"] in ("unknown_kind", "bad_archive")) == (422, True)
        assert name in refused.json()["detail"]


def test_uploads_are_there_for_their_merchant_only(session: Session, shop: TestClient) -> None:
    upload = begin(shop, "red.png", data := picture())
    at = f"/v1/uploads/{upload['id']}"
    with client_of(session, "other") as other:
        asked = [
            other.get(at),
            other.put(upload["parts"][0]["url"], content=data),
            other.post(f"{at}/complete"),
            other.delete(at),
            other.post("/v1/batches", json={"styles": ["udnie"], "uploads": [upload["id"]]}),
        ]
        assert [answer.status_code for answer in asked] == [404] * 5
        assert other.get("/v1/uploads").json()["uploads"] == []
    assert stored(session) == []


def test_two_completions_at_once_agree(session: Session, shop: TestClient) -> None:
    for number in range(5):
        upload = begin(shop, f"{number}.png", data := picture(px=32 + number))
        send(shop, upload, data)
        with ThreadPoolExecutor(4) as at_once:
            answers = list(at_once.map(lambda at: shop.post(at), [f"/v1/uploads/{upload['id']}/complete"] * 4))
        assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
        assert len({answer.text for answer in answers}) == 1
    assert stored(session) == []  # pictures lie among the sources


def test_quotas_count_what_no_batch_has_used(session: Session) -> None:
    few = replace(session, settings=session.settings.model_copy(update={"upload_quota_files": 2}))
    with client_of(few, "shop") as shop, client_of(few, "other") as other:
        ids = [uploaded(shop, f"{number}.png", picture(px=32 + number)) for number in range(2)]
        refused = shop.post("/v1/uploads", json={"name": "more.png", "size": 1})
        assert (refused.status_code, refused.json()["code"]) == (409, "upload_quota")
        begin(other, "red.png", picture())
        made = shop.post("/v1/batches", json={"styles": ["udnie"], "uploads": ids})
        assert made.status_code == 201, made.text
        begin(shop, "more.png", picture())
    small = replace(session, settings=session.settings.model_copy(update={"upload_quota_mib": 1}))
    with client_of(small, "third") as third:
        assert third.post("/v1/uploads", json={"name": "a.zip", "size": 2**20 + 1}).json()["code"] == "upload_quota"
        assert third.post("/v1/uploads", json={"name": "a.zip", "size": 2**40}).json()["code"] == "bad_size"
        assert third.post("/v1/uploads", json={"name": "a.zip", "size": 0}).json()["code"] == "bad_size"


def test_a_quota_is_kept_when_many_begin_at_once(session: Session) -> None:
    few = replace(session, settings=session.settings.model_copy(update={"upload_quota_files": 2}))
    with client_of(few, "shop") as shop, ThreadPoolExecutor(6) as at_once:
        bodies = [{"name": f"{number}.png", "size": 1} for number in range(6)]
        answers = list(at_once.map(lambda body: shop.post("/v1/uploads", json=body).status_code, bodies))
    assert sorted(answers) == [201, 201, 409, 409, 409, 409]


def test_what_expires_goes_with_its_parts(session: Session, shop: TestClient) -> None:
    begun, kept = begin(shop, "red.png", data := picture()), begin(shop, "blue.png", data)
    send(shop, begun, data)
    send(shop, kept, data)
    assert sweep_uploads(session.engine, session.store) == 0
    with transaction(session.engine) as connection:
        connection.execute(
            text("UPDATE uploads SET expires_at = clock_timestamp() WHERE id = :id"), {"id": begun["id"]}
        )
    assert shop.get(f"/v1/uploads/{begun['id']}").status_code == 404
    assert sweep_uploads(session.engine, session.store) == 1
    assert [key.split("/")[2] for key in stored(session)] == [kept["id"]]


def test_what_a_kill_leaves_in_the_store_is_an_orphan_and_nothing_else_is(session: Session, shop: TestClient) -> None:
    complete = uploaded(shop, "red.png", picture("red"))
    begun = begin(shop, "blue.png", data := picture("blue"))
    send(shop, begun, data)
    with transaction(session.engine) as connection:
        merchant = merchant_id(connection, "shop")
    session.store.put(lost := f"uploads/{merchant}/{uuid4()}/000001", b"a part that came after its upload was removed")
    session.store.put(unnamed := f"sources/{merchant}/ab/{'ab' * 32}", b"a picture that was never completed")
    deleted = {key for keys in orphans(session.engine, session.store, timedelta(0)) for key in keys}
    assert deleted == {lost, unnamed}
    assert delete_old(session.store, deleted, timedelta(0)) == 2
    assert shop.get(f"/v1/uploads/{complete}").json()["state"] == "complete"


def test_erasing_a_merchant_takes_its_uploads(session: Session, shop: TestClient) -> None:
    uploaded(shop, "red.png", picture())
    send(shop, begin(shop, "blue.png", data := picture("blue")), data)
    with transaction(session.engine) as connection:
        merchant = merchant_id(connection, "shop")
    erase(session.engine, session.store, merchant, lambda _: None)
    assert list(own_objects(session.store, merchant)) == []
    with transaction(session.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM uploads")).scalar_one() == 0
