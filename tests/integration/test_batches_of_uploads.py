"""Batches of uploads: pictures, a ZIP, a feed with its pictures, and what is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from shared.context import Session
from shared.database import transaction
from shared.queue.jobs import STORED
from tests.api_clients import client_of
from tests.uploading import begin, fresh_key, picture, send, uploaded, zipped


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def make(shop: TestClient, *ids: str, **options: Any) -> Any:
    return shop.post("/v1/batches", json={"styles": ["udnie"], "uploads": list(ids), **options}, headers=fresh_key())


def jobs(shop: TestClient, made: Any) -> list[Any]:
    assert made.status_code == 201, made.text
    found: list[Any] = shop.get(f"{made.headers['location']}/jobs").json()["jobs"]
    return found


def sources(session: Session) -> list[str]:
    with transaction(session.engine) as connection:
        return list(connection.exec_driver_sql("SELECT source FROM jobs ORDER BY ordinal").scalars())


def test_pictures_are_named_by_their_path_and_the_same_again_is_the_same_batch(
    session: Session, shop: TestClient
) -> None:
    red, blue = uploaded(shop, "shoes/red.png", picture("red")), uploaded(shop, "blue.png", picture("blue"))
    body = {"styles": ["udnie"], "uploads": [red, blue]}
    made = shop.post("/v1/batches", json=body)
    assert [(one["sku"], one["image"]) for one in jobs(shop, made)] == [
        ("blue", "blue.png"),
        ("shoes/red", "shoes/red.png"),
    ]
    assert made.json()["name"] == "2 images"
    assert all(session.store.exists(source.removeprefix(STORED)) for source in sources(session))
    again = shop.post("/v1/batches", json=body | {"uploads": [blue, red]})
    assert (again.status_code, again.json()["batch"]) == (200, made.json()["batch"])
    assert shop.get("/v1/uploads").json()["uploads"] == []  # all are used
    assert len(jobs(shop, make(shop, red, strength=0.5))) == 1  # and may be used again for a day


def test_an_archive_is_read_as_one_that_is_sent_whole(shop: TestClient) -> None:
    archive = uploaded(shop, "spring.zip", zipped({"red.png": picture("red"), "blue.png": picture("blue")}))
    extra = uploaded(shop, "green.png", picture("green"))
    assert sorted(one["sku"] for one in jobs(shop, make(shop, archive, extra))) == ["blue", "green", "red"]


def test_a_feed_names_the_pictures_beside_it(session: Session, shop: TestClient) -> None:
    feed = b"sku,image\nA,red.png\nB,images/Blue.PNG\nC,missing.png\nD,/etc/passwd\nE,https://shop.example/e.jpg\n"
    ids = [
        uploaded(shop, "spring/feed.csv", feed),
        uploaded(shop, "spring/red.png", picture("red")),
        uploaded(shop, "blue.png", picture("blue")),
        uploaded(shop, "unused.png", picture("green")),
    ]
    made = make(shop, *ids)
    found = jobs(shop, made)
    assert [(one["sku"], one["code"]) for one in found] == [
        ("A", None),
        ("B", None),
        ("C", "image_not_found"),
        ("D", "image_not_found"),
        ("E", None),
    ]
    assert [one["image"] for one in found[:3]] == ["red.png", "images/Blue.PNG", "missing.png"]
    assert all(source.startswith(STORED) for source in sources(session)[:2])
    errors = list(csv.DictReader(io.StringIO(shop.get(f"{made.headers['location']}/errors.csv").text)))
    assert [one["image"] for one in errors] == ["missing.png", "/etc/passwd"]
    assert not any("/tmp" in str(one) for one in found)


def test_two_pictures_of_one_name_need_their_folder(shop: TestClient) -> None:
    feed = uploaded(shop, "feed.csv", b"sku,image\nA,red.png\nB,b/red.png\n")
    twice = [uploaded(shop, f"{folder}/red.png", picture(px=px)) for folder, px in (("a", 32), ("b", 33))]
    assert [one["code"] for one in jobs(shop, make(shop, feed, *twice))] == ["image_not_found", None]


def test_images_name_uploads(session: Session, shop: TestClient) -> None:
    upload = uploaded(shop, "red.png", picture())
    images = [{"sku": "A", "image": f"upload:{upload}"}, {"sku": "B", "image": "https://shop.example/b.jpg"}]
    made = shop.post("/v1/batches", json={"styles": ["udnie"], "images": images})
    assert [(one["sku"], one["state"]) for one in jobs(shop, made)] == [("A", "queued"), ("B", "queued")]
    assert sources(session)[0].startswith(STORED)
    for bad in (f"upload:{uuid4()}", "upload:red", f"store:sources/1/ab/{'ab' * 32}"):
        refused = shop.post("/v1/batches", json={"styles": ["udnie"], "images": [{"sku": "A", "image": bad}]})
        failed = refused.status_code in (400, 404) or jobs(shop, refused)[0]["state"] == "failed"
        assert failed, refused.text


def test_what_cannot_be_one_batch_is_refused(shop: TestClient) -> None:
    feed, other = uploaded(shop, "a.csv", b"sku,image\n1,x.png\n"), uploaded(shop, "b.csv", b"sku,image\n1,x.png\n")
    send(shop, begun := begin(shop, "red.png", data := picture()), data)
    codes = [make(shop, *ids).json()["code"] for ids in ([feed, other], [begun["id"]], [str(uuid4())], [])]
    assert codes == ["several_manifests", "upload_incomplete", "not_found", "invalid_request"]
