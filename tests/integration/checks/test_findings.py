"""Checks of web sources: what has changed at its address is styled by the next night, and nothing else is."""

from __future__ import annotations

from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

import pytest
from sqlalchemy import text

from producer.catalog_import import import_catalog
from producer.manifest import open_manifest
from shared.catalog import source_checks as checks
from shared.catalog.schedules import NightRules
from shared.catalog.source_checks import (
    EVERY,
    LEASE,
    Finding,
    find_round,
)
from shared.database import Lock, lock, transaction
from shared.errors import Conflict
from shared.merchants.actors import operator
from shared.merchants.scope import scope
from shared.operations import erasure
from tests.atelier_command import command_over, printed
from tests.web_host import answer
from tests.web_shop import Open, Pictures


def test_only_a_picture_that_changed_at_its_address_is_styled_the_next_night(
    open_shop: Open, pictures: Pictures
) -> None:
    shop = open_shop("a", "b", "c")
    assert shop.check() == {}
    assert shop.check_all() == {"same": 3}
    assert pictures.sent == {304: 3}
    assert shop.live_a_night()["images"] == 0

    pictures.put("/b", b"another")
    assert shop.check_all() == {"same": 2, "changed": 1}
    assert pictures.sent[200] == 1
    assert shop.check_all() == {"same": 2}  # what is stale is left to the night
    assert shop.live_a_night()["by_reason"] == {"source_changed": 1}
    assert pictures.sent[200] == 1  # who kept what the check was sent
    assert shop.check_all() == {"same": 3}
    assert shop.live_a_night()["images"] == 0
    counted = shop.metrics.registry.get_sample_value
    assert counted("atelier_checks_total", {"outcome": "changed"}) == 1
    assert counted("atelier_checks_total", {"outcome": "same"}) == 10
    assert counted("atelier_check_bytes_total") == len(b"another")


def test_a_repeated_feed_takes_nothing_back_and_makes_nothing_stale(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a", "b")
    pictures.put("/a", b"another")
    assert shop.check_all()["changed"] == 1
    for _ in range(2):
        assert shop.fill("a", "b").changed == 0
    assert shop.live_a_night()["by_reason"] == {"source_changed": 1}
    for _ in range(2):
        assert shop.fill("a", "b").changed == 0
        assert shop.live_a_night()["images"] == 0
    # What it says anew counts, and going back to what it said first does, too: who knows what the host had meanwhile.
    for feed in ({"a": "1", "b": ""}, {"a": "", "b": ""}):
        assert shop.feed(feed).changed == 1
        assert shop.live_a_night()["by_reason"] == {"source_changed": 1}
    assert shop.check_all() == {"same": 2}


def test_a_changed_picture_that_moves_is_shown_at_its_new_place_and_kept(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a")
    pictures.put("/a", b"another")
    shop.check_all()
    shop.live_a_night()
    shown = shop.shown()["a"]
    path = shop.folder / "moved.csv"
    path.write_text(f"sku,image\nz,{shop.address('a')}\n")
    done = import_catalog(shop.session, operator(shop.name), open_manifest([str(path)]), lambda *_: None)
    assert (done.added, done.moved, done.removed) == (1, 1, 1)
    assert shop.shown() == {"z": shown}
    assert shop.live_a_night()["images"] == 0


def test_a_picture_that_goes_back_and_forth_is_stale_when_it_differs_from_the_styled(
    open_shop: Open, pictures: Pictures
) -> None:
    shop = open_shop("a")
    for _ in range(2):
        pictures.put("/a", b"another")
        assert shop.check_all() == {"changed": 1}
        pictures.put("/a", b"a")  # before the night comes, which so finds what was styled already
        assert shop.live_a_night()["by_reason"] == {"source_changed": 1}
        assert shop.check_all() == {"same": 1}
        assert shop.live_a_night()["images"] == 0


def test_of_hosts_without_validators_the_bytes_are_compared_and_count(open_shop: Open, pictures: Pictures) -> None:
    pictures.knows = False
    shop = open_shop("a")
    pictures.put("/a", bytes(5 * checks.BYTES_OF_A_CHECK))
    assert shop.check_all() == {"changed": 1}
    shop.live_a_night()
    assert shop.check_all() == {"same": 1}
    assert shop.live_a_night()["images"] == 0
    assert 304 not in pictures.sent
    assert Finding("x", bytes=5 * checks.BYTES_OF_A_CHECK).cost == 6


def test_what_is_found_while_an_import_begins_is_given_up_and_asked_again(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a")
    mine = shop.id
    shop.now += EVERY
    with ExitStack() as importing:

        def late(handler: BaseHTTPRequestHandler) -> None:
            connection = importing.enter_context(transaction(shop.session.engine))
            lock(connection, Lock.CATALOG, mine)
            handler.wfile.write(answer(200, body=b"another"))

        pictures.host.answers["/a"] = late
        assert shop.check() == {}
    pictures.put("/a", b"another")
    assert shop.check() == {}
    assert shop.check(LEASE) == {"changed": 1}


def test_a_source_that_is_gone_is_a_warning_and_what_is_shown_stays(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a", "b")
    shown = shop.shown()
    pictures.say("/a", 404)
    for _ in range(2):
        assert shop.check_all() == {"same": 1, "gone": 1}
    since = shop.images()["a"].gone_at
    assert since is not None
    plan = shop.live_a_night()
    assert (plan["images"], len(plan["warnings"])) == (0, 1)
    assert plan["warnings"][0].startswith("1 images have a missing source, for example sku 'a': their renditions stay")
    assert shop.shown() == shown

    shop.look("pastel")  # for which it cannot be styled
    plan = shop.live_a_night(refused={"a"}, code="image_not_found")
    assert plan["by_reason"] == {"look_changed": 2}
    assert shop.live_a_night()["images"] == 0
    pictures.put("/a", b"a")
    assert shop.check_all() == {"same": 2}
    assert shop.images()["a"].gone_at is None
    plan = shop.live_a_night()
    assert (plan["by_reason"], plan["warnings"]) == ({"look_changed": 1}, [])


def test_a_gone_source_that_the_feed_names_elsewhere_is_gone_no_longer(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a", "b")
    pictures.say("/a", 410)
    assert shop.check_all()["gone"] == 1
    path = shop.folder / "elsewhere.csv"
    path.write_text(f"sku,image\na,{shop.address('a2')}\nb,{shop.address('b')}\n")
    import_catalog(shop.session, operator(shop.name), open_manifest([str(path)]), lambda *_: None)
    assert shop.images()["a"].gone_at is None


def test_a_source_that_is_refused_is_no_change(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a")
    pictures.say("/a", 403)
    assert shop.check_all() == {"refused": 1}
    plan = shop.live_a_night()
    assert (plan["images"], plan["warnings"]) == (0, [])


def test_where_it_is_unknown_what_was_styled_what_is_seen_first_counts_as_that(
    open_shop: Open, pictures: Pictures
) -> None:
    shop = open_shop("a")
    with transaction(shop.session.engine) as connection:
        connection.execute(text("UPDATE catalog_images SET styled_source = NULL"))
    assert shop.check_all() == {"same": 1}
    pictures.put("/a", b"another")
    assert shop.check_all() == {"changed": 1}


def test_what_is_found_for_a_merchant_who_is_being_erased_is_not_kept(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a")
    mine, url = shop.id, shop.address("a")
    pictures.put("/a", b"another")
    erasure.begin(shop.session.engine, mine)
    with pytest.raises(Conflict):
        shop.sources.check(mine, url)


def test_an_image_of_one_merchant_says_nothing_of_anothers(open_shop: Open, pictures: Pictures) -> None:
    one, other = open_shop("a", name="one"), open_shop("a", name="other", rules=NightRules(checks=0))
    pictures.put("/a", b"another")
    assert one.check_all() == {"changed": 1}
    assert one.live_a_night()["by_reason"] == {"source_changed": 1}
    assert other.live_a_night()["images"] == 0


def test_the_commands_say_how_far_the_checks_are_and_whose_source_is_gone(
    open_shop: Open, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop("a", "b", "c", rules=NightRules(checks=2))
    pictures.put("/a", b"another")
    pictures.say("/b", 404)
    shop.check_all()
    shop.check_all()
    with scope(shop.session.engine, shop.name) as (connection, mine):
        found = find_round(connection, mine, shop.now)
    assert (found.images, found.changed, found.gone, found.checks, found.days) == (3, 1, 1, 2, 1.0)
    atelier = command_over(shop.session, monkeypatch)
    printed_round = printed(atelier("catalog", "checks", "-m", shop.name, "--json"))
    assert (printed_round["images"], printed_round["due"]) == (3, 2)
    assert (
        "1 changed, 1 gone, 2 waiting for a check since 2026-03" in atelier("catalog", "checks", "-m", shop.name).output
    )
    assert "b  1  gone" in atelier("catalog", "list", "-m", shop.name).output
