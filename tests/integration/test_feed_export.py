"""A feed is kept with its batch and comes back with the addresses of what was made."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from producer.kept_feeds import find_feed
from producer.manifest import open_manifest
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import NotFound
from shared.look import Look
from tests.atelier_command import command_over, printed

LOOK = Look((("starry-night", 1.0),))
FEED = (
    "\ufeffHandle,Title,Variant SKU,Image Src,Image Position\r\n"
    'mug,"Mug, ""blue""",00123,https://cdn.example/a.jpg?v=1,1\r\nmug,,,https://cdn.example/b.jpg,2\r\n'
).encode()


def submitted(session: Session, path: Path) -> str:
    path.write_bytes(FEED)
    return str(submit_batch(session, Order("local", open_manifest([str(path)]), (LOOK,))).batch.id)


def style_first(session: Session, batch: str) -> None:
    """Give the first job of a batch a rendition."""
    with transaction(session.engine) as connection:
        connection.execute(
            text("""
            WITH made AS (
                INSERT INTO renditions (merchant_id, source_sha256, look_sha256, trunk_sha256, preset, pipeline_version,
                                        object_key, sha256, bytes, width, height)
                SELECT merchant_id, repeat('a', 64), repeat('b', 64), repeat('c', 64), 'jpeg', 1,
                       'renditions/1/x.jpg', repeat('d', 64), 9, 9, 9
                FROM batches WHERE id = :batch RETURNING id
            )
            INSERT INTO job_renditions (batch_id, ordinal, preset, rendition_id)
            SELECT CAST(:batch AS uuid), 0, 'jpeg', id FROM made
            """),
            {"batch": batch},
        )


def test_feed_comes_back_as_it_was_until_something_is_styled(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted(session, tmp_path / "products export.csv")
    (tmp_path / "products export.csv").write_text("changed since")
    atelier = command_over(session, monkeypatch)
    out = tmp_path / "new.csv"
    done = printed(atelier("feed", "export", batch, "--base-url", "https://cdn.example/new", "--out", out, "--json"))
    assert (done["format"], done["replaced"]) == ("shopify-csv", 0)
    assert out.read_bytes() == FEED


def test_address_of_a_succeeded_picture_is_new_and_the_failed_one_stays(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted(session, tmp_path / "feed.csv")
    style_first(session, batch)
    atelier = command_over(session, monkeypatch)
    out = tmp_path / "new.csv"
    atelier("feed", "export", batch, "--base-url", "https://cdn.example/new/", "--out", out)
    assert out.read_bytes() == FEED.replace(
        b"https://cdn.example/a.jpg?v=1", b"https://cdn.example/new/00123-1-starry-night.jpg"
    )


def test_a_platform_that_was_named_says_which_column_has_the_pictures(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = tmp_path / "feed.csv"
    feed.write_text("sku,small_image\nA,https://cdn.example/a.jpg\n")
    order = Order("local", open_manifest([str(feed)], platform="magento"), (LOOK,))
    batch = str(submit_batch(session, order).batch.id)
    style_first(session, batch)
    out = tmp_path / "new.csv"
    atelier = command_over(session, monkeypatch)
    done = printed(atelier("feed", "export", batch, "--base-url", "https://cdn.example/new", "--out", out, "--json"))
    assert done["replaced"] == 1
    assert out.read_text() == "sku,small_image\nA,https://cdn.example/new/A-1-starry-night.jpg\n"


def test_batch_of_a_folder_has_no_feed_to_give_back(session: Session, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    batch = submit_batch(session, Order("local", open_manifest([str(tmp_path)]), (LOOK,))).batch
    with pytest.raises(NotFound) as caught:
        find_feed(session.store, batch)
    assert caught.value.code == "no_feed"
