"""Imports: a catalogue becomes what a feed says, and what was made of its images is not lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import text

from producer.catalog_import import import_catalog
from producer.manifest import Manifest, ManifestRow, open_manifest
from shared.catalog.feed import Imported
from shared.catalog.images import list_images
from shared.catalog.looks import list_looks, remove_look, set_look
from shared.context import Session
from shared.database import transaction
from shared.embedded import Services
from shared.errors import Conflict, InvalidInput, ManifestError, NotFound, UnknownStyle, UsageError
from shared.look import Look
from shared.merchants.actors import operator
from shared.merchants.scope import scope
from shared.operations import orphans
from shared.operations.prune import prune
from tests.query_plans import statements
from tests.sessions import fresh_session
from tests.shop import Shop


@pytest.fixture(scope="module")
def database(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One for all: each test has a merchant of its own."""
    with fresh_session(services, tmp_path_factory.mktemp("catalog")) as found:
        yield found


@pytest.fixture
def shop(database: Session, tmp_path: Path) -> Shop:
    found = Shop(database, tmp_path, f"shop-{uuid4().hex}")
    found.look("udnie")
    found.schedule()
    return found


def counts(shop: Shop, rows: dict[str, str], **how: Any) -> tuple[int, int, int, int]:
    done = shop.feed(rows, **how)
    return done.added, done.changed, done.moved, done.removed


def test_an_import_counts_what_is_new_changed_and_gone_and_repeats_without_effect(shop: Shop) -> None:
    assert counts(shop, {"a": "1", "b": "2", "c": "3"}) == (3, 0, 0, 0)
    assert counts(shop, {"a": "1", "b": "2", "c": "3"}) == (0, 0, 0, 0)
    assert counts(shop, {"a": "1", "b": "other", "d": "4"}) == (1, 1, 0, 1)
    assert set(shop.images()) == {"a", "b", "d"}
    assert counts(shop, {"a": "1", "b": "other", "c": "3", "d": "4"}) == (0, 1, 0, 0)


def test_an_import_writes_only_what_differs(shop: Shop) -> None:
    shop.feed({"a": "1", "b": "2"})
    with transaction(shop.session.engine) as connection:
        before = connection.execute(
            text(f"SELECT sku, xmin::text FROM catalog_images WHERE merchant_id = {shop.id} ORDER BY sku")
        ).all()
    shop.feed({"a": "1", "b": "3"})
    with transaction(shop.session.engine) as connection:
        after = connection.execute(
            text(f"SELECT sku, xmin::text FROM catalog_images WHERE merchant_id = {shop.id} ORDER BY sku")
        ).all()
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]


def test_an_image_that_moves_is_shown_at_its_new_place_and_not_styled_again(shop: Shop) -> None:
    shop.feed({"a": "1", "b": "2", "c": "3"})
    shop.live_a_night()
    before = shop.shown()
    assert counts(shop, {"a": "2", "b": "1", "new": "3"}) == (1, 2, 3, 1)
    assert shop.shown() == {"a": before["b"], "b": before["a"], "new": before["c"]}
    assert shop.live_a_night()["images"] == 0


def test_a_placeholder_that_a_thousand_products_share_is_taken_along_once_for_each(shop: Shop) -> None:
    shop.feed({f"old{n}": "placeholder" for n in range(300)})
    shop.live_a_night()
    with statements(shop.session.engine) as sent:
        done = shop.feed({f"new{n}": "placeholder" for n in range(1000)}, shrink=True)
    assert (done.added, done.moved, done.removed) == (1000, 1000, 300)
    assert len(sent) < 30


def test_positions_are_as_the_rows_of_a_sku_come_or_as_the_feed_says(shop: Shop) -> None:
    path = shop.folder / "feed.csv"
    path.write_text(
        "id,image link,position,product type,hash\n"
        "a,https://x.example/1.jpg,,Mugs,1\na,https://x.example/2.jpg,,Mugs,2\nb,https://x.example/3.jpg,7,Lamps,3\n"
        "b,https://x.example/4.jpg,7,Lamps,4\nb,https://x.example/5.jpg,x,Lamps,5\n"
    )
    bad: list[str] = []
    done = import_catalog(
        shop.session, operator(shop.name), open_manifest([str(path)]), lambda _, error: bad.append(error.code)
    )
    with scope(shop.session.engine, shop.name) as (connection, mine):
        found = [(one.sku, one.position, one.category) for one in list_images(connection, mine)]
    assert found == [("a", 1, "Mugs"), ("a", 2, "Mugs"), ("b", 7, "Lamps")]
    assert (done.bad, done.doubled, bad) == (1, 1, ["bad_position"])


def test_a_bad_row_keeps_what_it_names(shop: Shop) -> None:
    shop.feed({"a": "1", "b": "2"})
    path = shop.folder / "feed.csv"
    path.write_text("sku,image,hash\na,ftp://x.example/a.jpg,1\nb,https://cdn.example/b.jpg,2\n")
    done = import_catalog(shop.session, operator(shop.name), open_manifest([str(path)]), lambda *_: None)
    assert (done.bad, done.removed) == (1, 0)
    assert set(shop.images()) == {"a", "b"}


def import_text(shop: Shop, text: str) -> Imported:
    path = shop.folder / "feed.csv"
    path.write_text(text)
    return import_catalog(shop.session, operator(shop.name), open_manifest([str(path)]), lambda *_: None)


def test_a_row_over_the_limit_keeps_every_image_of_its_product_and_adds_none(shop: Shop) -> None:
    long = f'<img src=""data:image/jpeg;base64,{"x" * 1_200_000}""/>\n<p>Made in Faro, Portugal</p>'
    host = "https://cdn.example"
    import_text(shop, f"sku,text,images\nA,,{host}/a.jpg\nB,,{host}/b.jpg {host}/c.jpg\nC,,{host}/d.jpg\n")
    done = import_text(shop, f'sku,text,images\nA,,{host}/a.jpg\nB,"{long}",{host}/b.jpg\n')
    assert (done.added, done.removed, done.bad) == (0, 1, 1)
    assert set(shop.images()) == {"A", "B"}
    with scope(shop.session.engine, shop.name) as (connection, mine):
        assert [one.position for one in list_images(connection, mine) if one.sku == "B"] == [1, 2]


def test_nothing_is_removed_while_a_bad_row_names_no_sku(shop: Shop) -> None:
    import_text(shop, "sku,image\nA,https://cdn.example/a.jpg\nB,https://cdn.example/b.jpg\n")
    done = import_text(shop, "sku,image\nA,https://cdn.example/a.jpg\n,ftp://cdn.example/b.jpg,x\n")
    assert (done.bad, done.unknown, done.removed) == (1, 1, 0)
    assert set(shop.images()) == {"A", "B"}


def test_a_part_of_a_feed_removes_nothing_and_a_feed_cut_in_half_is_refused(shop: Shop) -> None:
    rows = {f"N{n}": str(n) for n in range(40)}
    shop.feed(rows)
    some = dict(list(rows.items())[:10])
    assert counts(shop, some, partial=True) == (0, 0, 0, 0)
    with pytest.raises(Conflict, match="names only 10 of the catalogue's 40"):
        shop.feed(some)
    assert len(shop.images()) == 40
    assert counts(shop, some, shrink=True) == (0, 0, 0, 30)


def test_a_feed_that_breaks_off_changes_nothing(shop: Shop) -> None:
    shop.feed({"a": "1", "b": "2"})

    class Torn:
        name, columns, digest, ignored, notes, format = "torn", ("sku", "image"), "torn", 0, (), "csv"

        def rows(self) -> Iterator[ManifestRow]:
            yield ManifestRow(2, "c", "https://x.example/c.jpg", "c.jpg", "c", None, None, {}, None)
            raise ManifestError("torn")

    with pytest.raises(ManifestError):
        import_catalog(shop.session, operator(shop.name), Manifest([Torn()]), lambda *_: None)
    assert set(shop.images()) == {"a", "b"}


def test_local_files_are_told_by_their_content_and_no_sweep_takes_them(shop: Shop) -> None:
    folder = shop.folder / "photos"
    folder.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (40, 30), (name == "a" and "red") or "blue").save(folder / f"{name}.png")
    done = import_catalog(shop.session, operator(shop.name), open_manifest([str(folder)]), lambda *_: None)
    assert done.added == 2
    (folder / "a.png").rename(folder / "c.png")
    done = import_catalog(shop.session, operator(shop.name), open_manifest([str(folder)]), lambda *_: None)
    assert (done.added, done.removed) == (1, 1)
    kept = list(shop.session.store.list("sources/"))
    found = orphans.orphans(shop.session.engine, shop.session.store, -orphans.GRACE)
    assert {key for slice_ in found for key in slice_}.isdisjoint(one.key for one in kept)
    assert kept


def test_the_narrowest_look_counts_and_one_taken_back_leaves_the_next(shop: Shop) -> None:
    shop.feed({"a": "1,mugs,summer"}, columns="hash,category,collection")
    for what in ("category=mugs", "collection=summer", "sku=a"):
        shop.look("pastel", what)
        assert shop.images()["a"].look_scope == what.partition("=")[0]
    with scope(shop.session.engine, shop.name) as (connection, mine):
        remove_look(connection, mine, "sku", "a")
    assert shop.images()["a"].look_scope == "collection"


@pytest.mark.parametrize(
    ("scope_name", "value", "style", "error"),
    [("default", "", "nope", UnknownStyle), ("shelf", "x", "udnie", UsageError), ("sku", "", "udnie", UsageError),
     ("default", "x", "udnie", UsageError)],
)  # fmt: skip
def test_a_look_that_cannot_be_is_refused(
    shop: Shop, scope_name: str, value: str, style: str, error: type[InvalidInput]
) -> None:
    with pytest.raises(error), scope(shop.session.engine, shop.name) as (connection, mine):
        set_look(connection, mine, scope_name, value, Look(((style, 1.0),)), follows_model=False)
    with pytest.raises(NotFound), scope(shop.session.engine, shop.name) as (connection, mine):
        remove_look(connection, mine, "sku", "none")


def test_the_same_look_again_stays_approved_and_another_is_new(shop: Shop) -> None:
    for style, state in (("udnie", "approved"), ("pastel", "new")):
        shop.look(style, proved=False)
        with scope(shop.session.engine, shop.name) as (connection, mine):
            assert [look.state for look in list_looks(connection, mine)] == [state]


def test_a_catalogue_is_paged_by_a_cursor(shop: Shop) -> None:
    shop.feed({f"N{n}": str(n) for n in range(5)})
    with scope(shop.session.engine, shop.name) as (connection, mine):
        first = list_images(connection, mine, limit=3)
        rest = list_images(connection, mine, after=first[-1].id, limit=3)
    assert [one.sku for one in (*first, *rest)] == [f"N{n}" for n in range(5)]


def test_prune_keeps_what_is_shown_and_forgets_what_was(session: Session, tmp_path: Path) -> None:
    shop = Shop(session, tmp_path)
    shop.look("udnie")
    shop.schedule()
    shop.feed({"a": "1", "b": "1b"})
    shop.live_a_night()
    shop.feed({"a": "2", "b": "1b"})
    shop.live_a_night()
    shown = shop.shown()
    with transaction(shop.session.engine) as connection:
        connection.execute(text("UPDATE batches SET finished_at = finished_at - interval '100 days'"))
        connection.execute(text("UPDATE publications SET made_at = made_at - interval '100 days'"))
    done = prune(shop.session.engine, shop.session.store, operator(), 90, lambda _: None)
    assert (done.batches, done.renditions, done.publications) == (2, 1, 1)
    assert shop.shown() == shown
    assert shop.revert(sku="a") == 0
    assert shop.live_a_night()["images"] == 0
    shop.feed({"b": "1b"})
    with transaction(shop.session.engine) as connection:
        connection.execute(text("UPDATE catalog_images SET removed_at = removed_at - interval '100 days'"))
    assert prune(shop.session.engine, shop.session.store, operator(), 90, lambda _: None).renditions == 1
    with transaction(shop.session.engine) as connection:
        left = connection.execute(text("SELECT sku FROM catalog_images WHERE merchant_id = :id"), {"id": shop.id})
        assert list(left.scalars()) == ["b"]
