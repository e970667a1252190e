"""What a gallery asks for: pages of pictures by filter, counts, thumbnails, and another try for chosen ones."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import text
from starlette.testclient import TestClient

from shared.context import Session
from shared.database import transaction
from shared.merchants.actors import operator
from shared.operations import orphans, prune
from shared.queue.batches import Batch
from shared.queue.job_search import JobFilter, search_jobs
from shared.queue.jobs import JobState
from tests.api_clients import client_of
from tests.builders import FAILED_IN, add_finished
from tests.query_plans import rows_touched
from tests.stored_pictures import store_pictures


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def finished(session: Session, jobs: int) -> Batch:
    with transaction(session.engine) as connection:
        return add_finished(connection, "shop", jobs)


def hold(session: Session, batch: Batch, *ordinals: int) -> None:
    with transaction(session.engine) as connection:
        connection.execute(
            text("""
            INSERT INTO reviews (batch_id, ordinal, merchant_id)
            SELECT batch_id, ordinal, merchant_id FROM jobs WHERE batch_id = :batch AND ordinal = ANY(:ordinals)
            """),
            {"batch": batch.id, "ordinals": list(ordinals)},
        )


@pytest.mark.parametrize(
    ("query", "ordinals"),
    [
        ("state=failed", [99, 199]),
        ("code=unreadable_image", [99, 199]),
        ("code=other", []),
        ("sku=SKU-19&state=succeeded&limit=3", [19, 190, 191]),
        ("held=true", [7, 150]),
        ("style=starry-night&preset=jpeg&limit=2", [0, 1]),
        ("style=udnie", []),
        ("preset=png", []),
        ("sku=%27%20OR%201=1", []),
        ("sku=&code=&style=&limit=2", [0, 1]),
    ],
)
def test_pictures_are_listed_by_filter(session: Session, shop: TestClient, query: str, ordinals: list[int]) -> None:
    batch = finished(session, 2 * FAILED_IN)
    hold(session, batch, 7, 150)
    found = shop.get(f"/v1/batches/{batch.id}/jobs?{query}").json()
    assert [one["ordinal"] for one in found["jobs"]] == ordinals


def test_the_cursor_of_a_filter_leads_on_to_the_end(session: Session, shop: TestClient) -> None:
    batch = finished(session, 2 * FAILED_IN)
    at = f"/v1/batches/{batch.id}/jobs?state=failed&limit=1"
    first = shop.get(at).json()
    second = shop.get(f"{at}&after={first['after']}").json()
    assert ([one["ordinal"] for one in first["jobs"] + second["jobs"]], second["after"]) == ([99, 199], None)


def test_images_are_counted_by_state_and_code(session: Session, shop: TestClient) -> None:
    batch = finished(session, 2 * FAILED_IN)
    hold(session, batch, 7)
    assert shop.get(f"/v1/batches/{batch.id}/counts").json() == {
        "queued": 0,
        "succeeded": 198,
        "failed": 2,
        "cancelled": 0,
        "held": 1,
        "codes": {"unreadable_image": 2},
    }


def test_only_chosen_failures_are_tried_again(session: Session, shop: TestClient) -> None:
    batch = finished(session, 2 * FAILED_IN)
    at = f"/v1/batches/{batch.id}/jobs/retry"
    assert shop.post(at, json={"ordinals": [99, 5]}).json()["images"] == 1
    assert shop.post(at, json={"code": "other"}).json()["images"] == 0
    assert shop.post(at, json={"code": "unreadable_image"}).json()["images"] == 1
    assert shop.get(f"/v1/batches/{batch.id}/counts").json()["queued"] == 2
    for wrong in ({}, {"ordinals": [1], "code": "x"}, {"ordinals": [-1]}):
        assert shop.post(at, json=wrong).status_code == 422
    with client_of(session, "other") as other:
        assert other.post(at, json={"ordinals": [99]}).status_code == 404


def test_thumbnails_are_made_once_and_go_with_their_renditions(
    session: Session, shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = finished(session, 1)
    store_pictures(session, batch, side_px=500)
    at = f"/v1/batches/{batch.id}/jobs/0/thumbnail"
    photo, rendition, large = (shop.get(at + query) for query in ("", "?preset=jpeg", "?preset=jpeg&size=large"))
    sizes = [Image.open(io.BytesIO(one.content)).size for one in (photo, rendition, large)]
    assert sizes == [(320, 240), (320, 240), (500, 375)]
    assert photo.headers["content-type"] == "image/webp"
    assert "private" in photo.headers["cache-control"]
    keys = [one.key for one in session.store.list("thumbnails/")]
    assert len(keys) == 3
    session.store.put(keys[0], b"what is stored")
    assert b"what is stored" in {
        shop.get(at + query).content for query in ("", "?preset=jpeg", "?preset=jpeg&size=large")
    }
    with client_of(session, "other") as other:
        assert other.get(at).status_code == 404

    monkeypatch.setattr(orphans, "GRACE", timedelta(seconds=-2))
    prune.prune(session.engine, session.store, operator(), 30, lambda _: None)
    assert len(list(session.store.list("thumbnails/"))) == 3
    with transaction(session.engine) as connection:
        connection.execute(text("DELETE FROM job_renditions"))
        connection.execute(text("DELETE FROM renditions"))
    prune.prune(session.engine, session.store, operator(), 30, lambda _: None)
    assert list(session.store.list("thumbnails/")) == []


def test_a_photo_that_no_worker_has_accepted_is_not_decoded(session: Session, shop: TestClient) -> None:
    batch = finished(session, FAILED_IN)
    store_pictures(session, batch)
    photos = [one.key for one in session.store.list("sources/")]
    for key in photos:  # other bytes under the name of an accepted photo
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "PNG")
        session.store.put(key, file.getvalue())
    for ordinal in (0, FAILED_IN - 1):
        refused = shop.get(f"/v1/batches/{batch.id}/jobs/{ordinal}/thumbnail")
        assert (refused.status_code, refused.json()["code"]) == (404, "no_thumbnail")


def test_a_page_of_a_large_batch_reads_few_rows(session: Session) -> None:
    batch = finished(session, 30_000)
    with transaction(session.engine) as connection:
        connection.execute(text("ANALYZE jobs"))
        touched = rows_touched(connection, lambda: search_jobs(connection, batch, JobFilter(), after=20_000, limit=24))
        assert touched["jobs"] <= 24
        failed = JobFilter(state=JobState.FAILED)
        touched = rows_touched(connection, lambda: search_jobs(connection, batch, failed, after=-1, limit=24))
        assert touched["jobs"] <= 10_100
