"""An address that is new only after its ``?`` is asked about before its picture counts as changed."""

from __future__ import annotations

from datetime import timedelta

from producer.catalog_import import import_catalog
from producer.manifest import open_manifest
from shared.catalog.feed import Imported
from shared.catalog.schedules import NightRules
from shared.merchants.actors import operator
from tests.web_shop import Open, WebShop


def fill(shop: WebShop, query: str, *skus: str) -> Imported:
    """Import a feed with another query in each address."""
    path = shop.folder / "queries.csv"
    path.write_text("sku,image\n" + "".join(f"{sku},{shop.address(sku)}{query}\n" for sku in skus))
    return import_catalog(shop.session, operator(shop.name), open_manifest([str(path)]), lambda *_: None)


def serve(shop: WebShop, query: str, **pictures: bytes) -> None:
    for sku, data in pictures.items():
        shop.pictures.put(f"/{sku}{query}", data)


def test_only_a_picture_with_other_bytes_at_its_new_address_is_styled_again(open_shop: Open) -> None:
    shop = open_shop("a", "b", "c")
    before = shop.shown()
    serve(shop, "?sig=2", a=b"a", b=b"another", c=b"c")
    done = fill(shop, "?sig=2", "a", "b", "c")
    assert (done.readdressed, done.changed) == (3, 0)
    plan = shop.live_a_night()
    assert plan["images"] == 0
    assert any(warning.startswith("3 images have an address that is new") for warning in plan["warnings"])

    assert shop.check_all() == {"same": 2, "changed": 1}
    plan = shop.live_a_night()
    assert plan["by_reason"] == {"source_changed": 1}
    assert plan["warnings"] == []
    assert {sku for sku, shown in shop.shown().items() if shown != before[sku]} == {"b"}
    assert fill(shop, "?sig=2", "a", "b", "c").readdressed == 0
    assert shop.live_a_night()["images"] == 0


def test_a_new_signature_each_day_makes_nothing_stale_even_if_nobody_was_asked_meanwhile(open_shop: Open) -> None:
    shop = open_shop("a", "b")
    for day in "234":
        serve(shop, f"?sig={day}", a=b"a", b=b"b")
        assert fill(shop, f"?sig={day}", "a", "b").readdressed == 2
        assert shop.live_a_night()["images"] == 0
    first = shop.column("check_at")
    fill(shop, "?sig=5", "a", "b")
    assert shop.column("check_at") == first  # who waits keeps its place
    serve(shop, "?sig=5", a=b"a", b=b"b")
    assert shop.check_all() == {"same": 2}
    assert shop.column("readdressed_at") == [None, None]


def test_a_new_signature_while_a_night_is_under_way_makes_nothing_stale(open_shop: Open) -> None:
    shop = open_shop("a")
    shop.pictures.put("/b", b"b")
    shop.fill("a", "b")
    shop.sleep(shop.now.replace(hour=1, minute=0, second=5) + timedelta(days=1))
    assert shop.planned() == ["b"]
    serve(shop, "?sig=2", a=b"a", b=b"another")
    assert fill(shop, "?sig=2", "a", "b").readdressed == 2
    shop.style()
    shop.sleep(timedelta(hours=2))
    assert shop.live_a_night()["images"] == 0
    assert shop.check_all() == {"same": 1, "changed": 1}
    assert shop.live_a_night()["by_reason"] == {"source_changed": 1}


def test_another_path_counts_as_changed_at_once(open_shop: Open) -> None:
    shop = open_shop("a")
    path = shop.folder / "moved.csv"
    path.write_text(f"sku,image\na,{shop.address('other')}\n")
    assert import_catalog(shop.session, operator(shop.name), open_manifest([str(path)]), lambda *_: None).changed == 1


def test_a_picture_that_is_gone_at_its_new_address_stays_and_is_no_longer_counted_as_waiting(open_shop: Open) -> None:
    shop = open_shop("a")
    shop.pictures.say("/a?v=2", 404)
    fill(shop, "?v=2", "a")
    assert shop.check_all() == {"gone": 1}
    plan = shop.live_a_night()
    assert plan["images"] == 0
    assert plan["warnings"][0].startswith("1 images have a missing source")
    assert len(plan["warnings"]) == 1


def test_where_no_host_is_asked_a_new_query_counts_as_a_change(open_shop: Open) -> None:
    shop = open_shop("a", rules=NightRules(checks=0))
    serve(shop, "?v=2", a=b"a")
    fill(shop, "?v=2", "a")
    assert shop.live_a_night()["by_reason"] == {"source_changed": 1}
    assert shop.live_a_night()["images"] == 0
