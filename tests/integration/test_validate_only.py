"""Requests that only ask what would happen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from producer.submit import PREVIEW_IMAGES
from shared.context import Session
from tests.api_clients import client_of, csv
from tests.uploading import picture, uploaded

URL = "https://shop.example/mug.jpg"
ASK = {"validate_only": "true"}


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def test_it_says_what_would_happen_and_makes_nothing(shop: TestClient) -> None:
    images = [{"sku": "A", "image": URL}, {"sku": "B", "image": URL}, {"sku": "C", "image": "/etc/passwd"}]
    said = shop.post("/v1/batches", params=ASK, json={"styles": ["udnie", "pastel"], "images": images})
    assert said.status_code == 200, said.text
    found = said.json()
    assert (found["rows"], found["products"], found["images"], found["repeated"], found["bad"]) == (3, 2, 2, 2, 1)
    assert [(row["line"], row["sku"], row["code"]) for row in found["bad_rows"]] == [(3, "C", "image_not_found")]
    assert (found["seconds"], found["cost"], found["sample"]) == (None, None, False)
    assert shop.get("/v1/batches").json()["batches"] == []


def test_it_reads_files_and_uploads_too(shop: TestClient) -> None:
    sent = shop.post(
        "/v1/batches/manifest", params=ASK, files={"manifest": csv(URL, "gone.jpg")}, data={"styles": "udnie"}
    )
    assert (sent.status_code, sent.json()["bad_rows"][0]["code"]) == (200, "local_path_refused")
    upload = uploaded(shop, "red.png", picture())
    asked = shop.post("/v1/batches", params=ASK, json={"styles": ["udnie"], "uploads": [upload, upload]})
    assert (asked.status_code, asked.json()["images"]) == (200, 1)
    assert [one["id"] for one in shop.get("/v1/uploads").json()["uploads"]] == [upload]  # not used by that
    assert shop.get("/v1/batches").json()["batches"] == []


@pytest.mark.parametrize("wrong", [{"styles": ["nope"]}, {"presets": ["nope"]}, {"preview": True}])
def test_what_would_be_refused_is_refused(shop: TestClient, wrong: dict[str, object]) -> None:
    images = [{"sku": str(number), "image": f"{URL}?{number}"} for number in range(PREVIEW_IMAGES + 1)]
    body = {"styles": ["udnie"], "images": images, **wrong}
    asked, submitted = (shop.post("/v1/batches", params=params, json=body) for params in (ASK, {}))
    assert asked.status_code == 400
    assert asked.json() == submitted.json()
