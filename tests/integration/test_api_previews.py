"""Previews over HTTP: the rendition itself if it is made in time, else where to ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from shared.context import Session
from shared.database import transaction
from shared.queue import chunks, jobs
from shared.queue.jobs import Failed
from tests.api_clients import client_of
from tests.shop import painted
from tests.uploading import begin, picture, uploaded
from tests.waiting import wait_until

NOW = {"Prefer": "wait=0"}
URL = "https://shop.example/mug.jpg"


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def waiting(session: Session) -> list[int]:
    with transaction(session.engine) as connection:
        rows = connection.execute(text("SELECT id FROM chunks WHERE state <> 'done' AND queue = 'preview'"))
        return list(rows.scalars())


def style(session: Session, code: str | None = None) -> None:
    """Do the one chunk that waits, as a worker does; with a code its image fails."""
    (chunk_id,) = waiting(session)
    with transaction(session.engine) as connection:
        claim = chunks.claim(connection, chunk_id, uuid4(), 60)
        assert claim is not None
        (job,) = jobs.queued_jobs(connection, claim.batch.id, claim.first_ordinal, claim.last_ordinal)
        done = painted(claim, job)
        session.store.put(done.new[0].object_key, b"rendition")
        chunks.finish(connection, claim, [Failed(job.ordinal, code, "it is gone") if code else done], 60)
        chunks.release(connection, claim)


def ask(shop: TestClient, headers: dict[str, str] = NOW, **fields: str) -> Any:
    return shop.post("/v1/previews", data={"styles": "udnie", **fields}, headers=headers)


def test_a_preview_that_is_not_ready_is_asked_for_again(session: Session, shop: TestClient) -> None:
    begun = ask(shop, image=URL)
    assert begun.status_code == 202, begun.text
    assert begun.headers["location"] == begun.json()["url"]
    assert ask(shop, image=URL).json() == begun.json()  # the same again, while it waits
    at = begun.json()["url"]
    assert shop.get(at, headers=NOW).status_code == 202
    with client_of(session, "other") as other:
        assert other.get(at, headers=NOW).status_code == 404
    style(session)
    made = shop.get(at)
    assert (made.status_code, made.content, made.headers["content-type"]) == (200, b"rendition", "image/jpeg")
    assert shop.get(made.headers["content-location"]).content == b"rendition"


def test_a_preview_is_answered_when_it_is_made(session: Session, shop: TestClient) -> None:
    with ThreadPoolExecutor(1) as meanwhile:
        answer = meanwhile.submit(ask, shop, {"Prefer": "respond-async, wait=20"}, image=URL)
        wait_until(lambda: waiting(session), "the chunk of the preview")
        style(session)
        assert (answer.result().status_code, answer.result().content) == (200, b"rendition")


def test_a_picture_that_cannot_be_styled_is_told(session: Session, shop: TestClient) -> None:
    at = ask(shop, image=URL).json()["url"]
    style(session, "object_not_found")
    failed = shop.get(at)
    assert (failed.status_code, failed.json()["code"], failed.json()["detail"]) == (
        400,
        "object_not_found",
        "it is gone",
    )


def test_a_picture_is_sent_or_named_as_an_upload(session: Session, shop: TestClient) -> None:
    data = picture()
    sent = shop.post(
        "/v1/previews", data={"styles": "udnie", "presets": "png"}, files={"picture": ("red.png", data)}, headers=NOW
    )
    assert sent.status_code == 202, sent.text
    style(session)
    assert shop.get(sent.json()["url"]).headers["content-type"] == "image/png"
    upload = uploaded(shop, "red.png", data)
    named = ask(shop, image=f"upload:{upload}")
    assert named.status_code == 202, named.text
    with transaction(session.engine) as connection:
        sources = list(connection.exec_driver_sql("SELECT DISTINCT source FROM jobs").scalars())
    assert len(sources) == 1  # one object, however it came
    assert [one["id"] for one in shop.get("/v1/uploads").json()["uploads"]] == [upload]  # no batch has used it


def test_what_is_no_preview_is_refused(shop: TestClient) -> None:
    begun = begin(shop, "red.png", picture())
    asked = [
        ask(shop),
        ask(shop, image=URL, styles="nope"),
        ask(shop, image="/etc/passwd"),
        ask(shop, image=f"upload:{begun['id']}"),
        ask(shop, image=f"upload:{UUID(int=0)}"),
        shop.get(f"/v1/previews/{uuid4()}"),
        shop.post("/v1/previews", data={"styles": "udnie"}, files={"picture": ("a.png", bytes(2**22))}, headers=NOW),
    ]
    assert [answer.status_code for answer in asked] == [400, 400, 400, 409, 404, 404, 413]
