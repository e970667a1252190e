"""Where a feed's renditions are served: published, signed, or of what a catalogue shows; and the same over HTTP."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from producer.catalog_import import import_catalog
from producer.kept_feeds import find_catalog_feed
from producer.manifest import open_manifest
from producer.output.picture_links import NamedRendition
from producer.output.published import publish
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import ManifestError, UsageError
from shared.look import Look
from shared.merchants.actors import operator
from shared.operations import orphans
from shared.store import open_store
from tests.api_clients import client_of
from tests.atelier_command import Command, command_over, printed
from tests.shop import Shop

LOOK = Look((("starry-night", 1.0),))
BASE = "https://cdn.example/new"
FEED = "sku,image,gallery image\nA,https://h.example/a.jpg,https://h.example/b.jpg\nB,https://h.example/c.jpg,\n"


def submitted(session: Session, path: Path, content: str = FEED) -> str:
    path.write_text(content)
    return str(submit_batch(session, Order("local", open_manifest([str(path)]), (LOOK,))).batch.id)


def style(session: Session, batch: str, *ordinals: int, content: str = "picture") -> list[bytes]:
    """Give jobs of a batch renditions, whose bytes are returned."""
    made = []
    for ordinal in ordinals:
        data = f"{content} {ordinal}".encode()
        sha256 = hashlib.sha256(data).hexdigest()
        with transaction(session.engine) as connection:
            merchant = connection.execute(
                text("SELECT merchant_id FROM batches WHERE id = :batch"), {"batch": batch}
            ).scalar_one()
            key = f"renditions/{merchant}/{sha256}.jpg"
            connection.execute(
                text("""
                WITH made AS (
                    INSERT INTO renditions (merchant_id, source_sha256, look_sha256, trunk_sha256, preset,
                                            pipeline_version, object_key, sha256, bytes, width, height)
                    VALUES (:merchant, :sha256, repeat('b', 64), repeat('c', 64), 'jpeg', 1, :key, :sha256, :bytes,
                            9, 9)
                    RETURNING id
                ), linked AS (
                    INSERT INTO job_renditions (batch_id, ordinal, preset, rendition_id)
                    SELECT CAST(:batch AS uuid), :ordinal, 'jpeg', id FROM made
                )
                UPDATE jobs SET state = 'succeeded' WHERE batch_id = :batch AND ordinal = :ordinal
                """),
                {
                    "merchant": merchant,
                    "sha256": sha256,
                    "key": key,
                    "bytes": len(data),
                    "batch": batch,
                    "ordinal": ordinal,
                },
            )
        session.store.put(key, data)
        made.append(data)
    return made


@pytest.fixture
def atelier(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    return command_over(session, monkeypatch)


def export(atelier: Command, *arguments: object) -> Any:
    return printed(atelier("feed", "export", *arguments, "--json"))


def test_renditions_are_published_once_and_again_only_where_they_changed(
    session: Session, tmp_path: Path, atelier: Command
) -> None:
    batch = submitted(session, tmp_path / "feed.csv")
    pictures = style(session, batch, 0, 2)
    shop = tmp_path / "web server"
    where = ("--base-url", BASE, "--publish", shop.as_uri())
    first = export(atelier, batch, *where, "-o", tmp_path / "1.csv")
    assert first["published"] == {"copied": 2, "unchanged": 0}
    assert {path.name: path.read_bytes() for path in shop.iterdir() if path.is_file()} == {
        "A-1-starry-night.jpg": pictures[0],
        "B-1-starry-night.jpg": pictures[1],
    }
    again = export(atelier, batch, *where, "-o", tmp_path / "2.csv")
    assert again["published"] == {"copied": 0, "unchanged": 2}
    assert (tmp_path / "1.csv").read_text() == (tmp_path / "2.csv").read_text()

    own = export(atelier, batch, "--publish", shop.as_uri(), "-o", tmp_path / "own.csv")
    assert own["published"] == {"copied": 0, "unchanged": 2}
    assert f"{shop.as_uri()}/A-1-starry-night.jpg" in (tmp_path / "own.csv").read_text()

    (shop / "A-1-starry-night.jpg").unlink()
    assert export(atelier, batch, *where, "-o", tmp_path / "3.csv")["published"] == {"copied": 1, "unchanged": 1}
    second = submitted(session, tmp_path / "other.csv")
    new = style(session, second, 0, content="another")
    assert export(atelier, second, *where, "-o", tmp_path / "4.csv")["published"] == {"copied": 1, "unchanged": 0}
    assert (shop / "A-1-starry-night.jpg").read_bytes() == new[0]


def test_a_copy_that_broke_off_goes_on_where_it_ended(session: Session, tmp_path: Path) -> None:
    batch = submitted(session, tmp_path / "feed.csv")
    style(session, batch, 0)
    with transaction(session.engine) as connection:
        key, merchant = connection.execute(text("SELECT object_key, merchant_id FROM renditions")).one()
    target = open_store((tmp_path / "shop").as_uri())
    good, gone = NamedRendition("good.jpg", key), NamedRendition("gone.jpg", "renditions/1/gone.jpg")
    with pytest.raises(Exception, match="is gone"):
        publish(session, merchant, target, lambda: iter((good, gone)))
    assert publish(session, merchant, target, lambda: iter((good,))).unchanged == 1


def test_addresses_are_signed_only_by_a_store_that_can(session: Session, tmp_path: Path, atelier: Command) -> None:
    batch = submitted(session, tmp_path / "feed.csv")
    for wrong in (("--presigned", 5), (), ("--presigned", 5, "--base-url", BASE), ("--base-url", "ftp://x/")):
        result = atelier("feed", "export", batch, *wrong, "-o", tmp_path / "new.csv")
        assert isinstance(result.exception, UsageError), wrong
    assert not (tmp_path / "new.csv").exists()


def test_only_first_pictures_are_replaced_or_renditions_are_added(
    session: Session, tmp_path: Path, atelier: Command
) -> None:
    batch = submitted(session, tmp_path / "feed.csv")
    style(session, batch, 0, 1, 2)
    export(atelier, batch, "--base-url", BASE, "--replace", "-o", tmp_path / "first.csv")
    assert (tmp_path / "first.csv").read_text() == (
        f"sku,image,gallery image\nA,{BASE}/A-1-starry-night.jpg,https://h.example/b.jpg\n"
        f"B,{BASE}/B-1-starry-night.jpg,\n"
    )
    export(atelier, batch, "--base-url", BASE, "--add", "-o", tmp_path / "added.csv")
    assert (tmp_path / "added.csv").read_text() == (
        "sku,image,gallery image\n"
        f'A,https://h.example/a.jpg,"https://h.example/b.jpg,{BASE}/A-1-starry-night.jpg,{BASE}/A-2-starry-night.jpg"\n'
        f"B,https://h.example/c.jpg,{BASE}/B-1-starry-night.jpg\n"
    )


def test_a_feed_in_an_archive_or_compressed_comes_back_so(session: Session, tmp_path: Path, atelier: Command) -> None:
    packed = tmp_path / "shop.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("feed.csv", FEED)
    batch = str(submit_batch(session, Order("local", open_manifest([str(packed)]), (LOOK,))).batch.id)
    export(atelier, batch, "--base-url", BASE, "-o", tmp_path / "same.zip")
    assert (tmp_path / "same.zip").read_bytes() == packed.read_bytes()
    style(session, batch, 2)
    refused = atelier("feed", "export", batch, "--base-url", BASE, "-o", tmp_path / "new.csv")
    assert "must end in .zip" in str(refused.exception)
    export(atelier, batch, "--base-url", BASE, "-o", tmp_path / "new.zip")
    with zipfile.ZipFile(tmp_path / "new.zip") as archive:
        assert archive.read("feed.csv").decode() == FEED.replace(
            "https://h.example/c.jpg", f"{BASE}/B-1-starry-night.jpg"
        )
    squeezed = tmp_path / "feed.csv.gz"
    squeezed.write_bytes(gzip.compress(FEED.encode(), 1))
    batch = str(submit_batch(session, Order("local", open_manifest([str(squeezed)]), (LOOK,))).batch.id)
    export(atelier, batch, "--base-url", BASE, "-o", tmp_path / "same.gz")
    assert (tmp_path / "same.gz").read_bytes() == squeezed.read_bytes()


def test_the_feed_of_a_catalogue_has_what_it_shows_now(session: Session, tmp_path: Path, atelier: Command) -> None:
    shop = Shop(session, tmp_path)
    shop.look("udnie")
    shop.schedule()
    feed = tmp_path / "catalogue export.csv"
    feed.write_text(
        "sku,image,position\nA,https://h.example/a.jpg,\nA,https://h.example/b.jpg,\nB,https://h.example/c.jpg,7\n"
        "B,https://h.example/other.jpg,7\nC,ftp://h.example/bad.jpg,\n"
    )
    import_catalog(session, operator("shop"), open_manifest([str(feed)]), lambda *_: None)
    of = ("--catalog", "-m", "shop", "--base-url", BASE)
    export(atelier, *of, "-o", tmp_path / "before.csv")
    assert (tmp_path / "before.csv").read_bytes() == feed.read_bytes()
    shop.live_a_night()
    done = export(atelier, *of, "-o", tmp_path / "shown.csv")
    assert (tmp_path / "shown.csv").read_text() == (
        f"sku,image,position\nA,{BASE}/A-1-udnie.jpg,\nA,{BASE}/A-2-udnie.jpg,\nB,{BASE}/B-7-udnie.jpg,7\n"
        "B,https://h.example/other.jpg,7\nC,ftp://h.example/bad.jpg,\n"
    )
    assert done["replaced"] == 3
    part = tmp_path / "part.csv"
    part.write_text("sku,image\nD,https://h.example/d.jpg\n")
    import_catalog(session, operator("shop"), open_manifest([str(part)]), lambda *_: None, partial=True)
    assert find_catalog_feed(session.store, shop.id).name == "catalogue export.csv"
    swept = [key for page in orphans.orphans(session.engine, session.store, -timedelta(days=9)) for key in page]
    assert not [key for key in swept if key.startswith("feeds/")]


def test_a_catalogue_without_a_feed_says_how_it_gets_one(session: Session, tmp_path: Path, atelier: Command) -> None:
    result = atelier("feed", "export", "--catalog", "--base-url", BASE, "-o", tmp_path / "x.csv")
    assert "atelier catalog import" in str(result.exception)


def test_feeds_and_the_platform_of_a_submission_over_http(session: Session, tmp_path: Path) -> None:
    client = client_of(session, "local")
    feed = "sku,small_image,image\nA,https://h.example/a.jpg,\n"
    form = {"styles": "starry-night", "platform": "magento"}
    answer = client.post("/v1/batches/manifest", data=form, files={"manifest": ("export.csv", feed)})
    assert answer.status_code == 201, answer.text
    batch = answer.json()["batch"]
    style(session, batch, 0)
    got = client.get(f"/v1/batches/{batch}/feed", params={"base_url": BASE})
    assert got.status_code == 200
    assert got.text == f"sku,small_image,image\nA,{BASE}/A-1-starry-night.jpg,\n"
    assert "export.csv" in got.headers["content-disposition"]
    for wrong in ({}, {"base_url": "x"}, {"presigned_hours": "5"}, {"base_url": BASE, "pictures": "none"}):
        assert client.get(f"/v1/batches/{batch}/feed", params=wrong).status_code in (400, 422), wrong
    assert client.get("/v1/catalog/feed", params={"base_url": BASE}).status_code == 404
    refused = client.post(
        "/v1/batches/manifest", data=form | {"platform": "ebay"}, files={"manifest": ("export.csv", feed)}
    )
    assert refused.status_code == 422


def test_a_feed_that_cannot_take_further_pictures_leaves_no_file(
    session: Session, tmp_path: Path, atelier: Command
) -> None:
    batch = submitted(session, tmp_path / "feed.json", '[{"sku": "A", "image": "https://h.example/a.jpg"}]')
    style(session, batch, 0)
    result = atelier("feed", "export", batch, "--base-url", BASE, "--add", "-o", tmp_path / "new.csv")
    assert isinstance(result.exception, ManifestError)
    assert [path.name for path in tmp_path.glob("*new*")] == []
