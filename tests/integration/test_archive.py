"""A batch as one ZIP archive: what is in it, what is not, and how it breaks off."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from producer.api.app import make_app
from producer.api.requests import BrokenOff
from producer.output.batch_archive import ArchiveFilter, archive_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import StoreUnavailable
from shared.queue.batches import Batch
from shared.store.file import FileStore
from tests.api_clients import client_of
from tests.builders import FAILED_IN, add_finished
from tests.stored_pictures import store_pictures


@pytest.fixture
def shop(session: Session) -> Iterator[TestClient]:
    with client_of(session, "shop") as found:
        yield found


def finished(session: Session, jobs: int = 4) -> tuple[Batch, dict[int, bytes]]:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", jobs)
    return batch, store_pictures(session, batch)


def read(client: TestClient, batch: Batch, query: str = "") -> dict[str, bytes]:
    answer = client.get(f"/v1/batches/{batch.id}/archive.zip{query}")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {one.filename: archive.read(one) for one in archive.infolist()}


def test_an_archive_has_all_finished_renditions_and_the_results(session: Session, shop: TestClient) -> None:
    batch, pictures = finished(session, FAILED_IN)
    found = read(shop, batch)
    assert {name: data for name, data in found.items() if name.endswith(".jpg")} == {
        f"sku-{ordinal}-1-starry-night.jpg": data for ordinal, data in pictures.items()
    }
    assert len(found["results.csv"].splitlines()) == FAILED_IN + 1
    assert len(found["errors.csv"].splitlines()) == 2
    assert list(found)[-2:] == ["results.csv", "errors.csv"]


def test_an_archive_can_be_of_one_preset_or_style(session: Session, shop: TestClient) -> None:
    batch, _ = finished(session)
    assert len(read(shop, batch, "?preset=jpeg&style=starry-night")) == 5
    assert list(read(shop, batch, "?style=udnie")) == ["results.csv"]
    refused = shop.get(f"/v1/batches/{batch.id}/archive.zip?preset=etsy")
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_preset")


def test_what_the_store_lacks_is_left_out_and_named(session: Session, shop: TestClient) -> None:
    batch, pictures = finished(session)
    with transaction(session.engine) as connection:
        keys = list(
            connection.execute(
                text("""
                SELECT r.object_key FROM job_renditions l JOIN renditions r ON r.id = l.rendition_id
                WHERE l.batch_id = :batch ORDER BY l.ordinal
                """),
                {"batch": batch.id},
            ).scalars()
        )
    session.store.delete(keys[1])
    session.store.put(keys[2], b"other bytes")
    found = read(shop, batch)
    assert [name for name in found if name.endswith(".jpg")] == [
        "sku-0-1-starry-night.jpg",
        "sku-3-1-starry-night.jpg",
    ]
    assert list(found)[-1] == "missing.csv"
    assert found["missing.csv"].decode("utf-8-sig").splitlines() == [
        "sku,output,reason",
        "sku-1,sku-1-1-starry-night.jpg,the stored rendition is gone",
        "sku-2,sku-2-1-starry-night.jpg,the stored rendition is damaged",
    ]
    assert len(pictures) == 4


class _FailingStore(FileStore):
    """A store whose service stops answering after a few reads."""

    reads = 0

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        self.reads += 1
        if self.reads > 5:
            raise StoreUnavailable("the store does not answer")
        return super().get(key, max_bytes=max_bytes)


def test_an_archive_breaks_off_where_the_store_fails(session: Session, shop: TestClient) -> None:
    batch, _ = finished(session, 9)
    failing = replace(session, store=_FailingStore(Path(session.store.url.removeprefix("file://"))))
    client = TestClient(make_app(failing), headers=dict(shop.headers))
    with pytest.raises(BrokenOff):  # which makes a server cut the connection
        client.get(f"/v1/batches/{batch.id}/archive.zip")


def test_any_thread_may_continue_an_archive(session: Session) -> None:
    batch, _ = finished(session, 9)
    pieces = archive_batch(session, batch, ArchiveFilter())
    content = b""
    while True:
        with ThreadPoolExecutor(1) as thread:  # a new one for each piece
            piece = thread.submit(next, pieces, None).result()
        if piece is None:
            break
        content += piece
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 10


def test_another_merchant_finds_no_archive(session: Session) -> None:
    batch, _ = finished(session, 1)
    with client_of(session, "other") as client:
        assert client.get(f"/v1/batches/{batch.id}/archive.zip").status_code == 404
