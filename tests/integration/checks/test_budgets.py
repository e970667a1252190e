"""How often hosts are asked, by whom, and at whose expense."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from itertools import groupby
from threading import Barrier, Event

import pytest
from sqlalchemy import text

from producer.catalog_import import import_catalog
from producer.manifest import open_manifest
from shared.catalog import schedules
from shared.catalog import source_checks as checks
from shared.catalog.schedules import NightRules
from shared.catalog.source_checks import (
    AGAIN,
    ARREARS,
    EVERY,
    LEASE,
    PAGE,
    SOON,
    Finding,
    record_findings,
    take_page,
)
from shared.database import Lock, lock, transaction
from shared.errors import UsageError
from shared.merchants.actors import operator
from shared.operations import erasure
from tests.query_plans import rows_touched
from tests.web_host import answer
from tests.web_shop import Open, Pictures
from workers.fetch.source_checks import check_sources
from workers.runtime.metrics import Metrics


def test_a_budget_is_spent_over_the_day_and_goes_on_round_after_round(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop(*"abcdefgh", rules=NightRules(checks=4))
    shop.now += EVERY
    pictures.host.requests.clear()
    days = [sum(shop.check(timedelta(hours=1)).total() for _ in range(24)) for _ in range(4)]
    assert days == [4] * 4
    asked = pictures.host.paths()
    assert all(sorted(asked[n : n + 8]) == [f"/{sku}" for sku in "abcdefgh"] for n in (0, 8))


def test_what_hosts_send_takes_its_share_of_the_budget(open_shop: Open, pictures: Pictures) -> None:
    pictures.knows = False
    shop = open_shop(*"abcdefgh", rules=NightRules(checks=24))
    for sku in "abcdefgh":
        pictures.put(f"/{sku}", bytes(3 * checks.BYTES_OF_A_CHECK))
    shop.now += EVERY
    assert sum(shop.check(timedelta(minutes=10)).total() for _ in range(72)) == 3


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1_200_000), "refused"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + bytes(990_000), "unanswered"),
    ],
    ids=["too large", "broken off"],
)
def test_what_is_sent_in_vain_takes_its_share_of_the_budget_too(
    open_shop: Open, pictures: Pictures, said: bytes, outcome: str
) -> None:
    shop = open_shop("a")
    pictures.host.answers["/a"] = said
    shop.now += EVERY
    assert shop.check() == {outcome: 1}
    spent = shop.column("checks_until", "schedules")[0] - (shop.now - ARREARS)
    assert spent >= (1 + 990_000 // checks.BYTES_OF_A_CHECK) * EVERY / NightRules().checks
    assert (shop.metrics.registry.get_sample_value("atelier_check_bytes_total") or 0) >= 990_000


def test_a_host_busy_with_our_own_night_is_asked_soon_after_and_others_before(
    open_shop: Open, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "UNANSWERED", 10**6)
    shop, begun, go_on = open_shop("a"), Barrier(5), Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        begun.wait()
        go_on.wait()
        handler.wfile.write(answer(200, body=b"a"))

    pictures.host.answers["/slow"] = slow
    shop.now += EVERY
    with ThreadPoolExecutor(4) as night:
        for _ in range(4):
            night.submit(shop.sources.fetch, shop.id, pictures.host.url("/slow"))
        begun.wait()
        with monkeypatch.context() as hurried:
            hurried.setattr("workers.fetch.sources.SEE_SECONDS", 0.2)
            assert shop.check() == {"unasked": 1}
        go_on.set()
    assert shop.column("checks_until", "schedules") == [shop.now]
    assert shop.check(SOON) == {"same": 1}


def test_an_import_is_not_waited_for_and_others_are_checked_meanwhile(open_shop: Open, pictures: Pictures) -> None:
    shop, other = open_shop("a", name="importing"), open_shop("b", name="other")
    shop.now += EVERY
    pictures.host.requests.clear()
    with transaction(shop.session.engine) as importing:
        lock(importing, Lock.CATALOG, shop.id)
        assert shop.check() == {"same": 1}
        assert pictures.host.paths() == ["/b"]
    assert shop.check() == {"same": 1}
    assert other.live_a_night()["images"] == 0


def test_two_workers_never_ask_about_the_same_image(open_shop: Open, pictures: Pictures) -> None:
    skus = [f"s{n}" for n in range(60)]
    shop = open_shop(*skus)
    shop.now += EVERY
    pictures.host.requests.clear()
    with ThreadPoolExecutor(3) as pool:
        ask = (shop.session.engine, shop.sources, Metrics(), shop.now)
        done = [pool.submit(check_sources, *ask) for _ in range(3)]
        assert sum(one.result().total() for one in done) == 60
    assert sorted(pictures.host.paths()) == sorted(f"/{sku}" for sku in skus)


def test_what_a_dead_worker_had_in_hand_is_due_again_and_it_writes_nothing_late(open_shop: Open) -> None:
    shop = open_shop("a")
    shop.now += EVERY
    with transaction(shop.session.engine) as connection:
        dead = take_page(connection, shop.now)
        assert dead is not None
        assert take_page(connection, shop.now) is None
    assert shop.check() == {}
    assert shop.check(LEASE) == {"same": 1}
    with transaction(shop.session.engine) as connection:
        late = dict.fromkeys(dead.sources, Finding("f" * 64))
        assert record_findings(connection, dead, late, shop.now) == 0
    assert shop.live_a_night()["images"] == 0


def test_images_of_a_host_that_fails_go_back_and_others_go_on(open_shop: Open, pictures: Pictures) -> None:
    down, well = open_shop("a", "b", name="down"), open_shop("c", "d", name="well")
    for sku in "ab":
        pictures.say(f"/{sku}", 503)
    well.now += EVERY
    down.now = well.now
    assert well.check() == {"unanswered": 2, "same": 2}
    assert well.check() == {}
    until, other = down.column("checks_until", "schedules")[0], well.column("checks_until", "schedules")[0]
    assert until - other == 2 * (checks.UNANSWERED - 1) * EVERY / NightRules().checks
    pictures.put("/a", b"a")
    down.now = well.now
    assert down.check(AGAIN) == {"same": 1, "unanswered": 1}
    assert down.live_a_night()["images"] == 0


def test_a_host_that_is_slow_takes_no_time_of_others(
    open_shop: Open, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "PAGE", 2)
    monkeypatch.setattr(checks, "UNANSWERED", 100)  # a page is so small here
    monkeypatch.setattr("workers.fetch.sources.SEE_SECONDS", 2.0)
    monkeypatch.setattr("workers.fetch.source_checks.CHECKING_SECONDS", 0.1)  # a page of the slow one ends the tick
    skus = [f"s{n}" for n in range(4)]
    slow, _ = open_shop(*skus, name="slow"), open_shop(*(f"w{n}" for n in range(10)), name="well")
    for sku in skus:
        pictures.host.answers[f"/{sku}"] = lambda _: pictures.host.closing.wait()
    slow.now += EVERY
    pictures.host.requests.clear()
    found: Counter[str] = Counter()
    while ticked := slow.check():
        found += ticked
    assert found == {"unanswered": 4, "same": 10}
    assert [whose for whose, _ in groupby(path[1] for path in pictures.host.paths())] == ["s", "w", "s"]


def test_a_picture_that_many_images_share_is_asked_for_once_a_page(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a")
    path = shop.folder / "shared.csv"
    path.write_text("sku,image\n" + "".join(f"s{n},{shop.address('a')}\n" for n in range(PAGE)))
    import_catalog(shop.session, operator(shop.name), open_manifest([str(path)]), lambda *_: None)
    with transaction(shop.session.engine) as connection:
        connection.execute(text("UPDATE catalog_images SET check_at = :now"), {"now": shop.now})
    pictures.put("/a", b"another")
    pictures.host.requests.clear()
    assert shop.check_all() == {"changed": PAGE}
    assert pictures.host.paths() == ["/a"]
    assert shop.live_a_night()["by_reason"] == {"source_changed": PAGE}
    import_catalog(shop.session, operator(shop.name), open_manifest([str(path)]), lambda *_: None)
    assert shop.live_a_night()["images"] == 0


def test_nobody_is_asked_for_paused_erased_or_unscheduled_merchants(open_shop: Open) -> None:
    shop = open_shop("a")
    engine = shop.session.engine
    shop.now += EVERY
    with transaction(engine) as connection:
        schedules.pause(connection, shop.id, "admin")
    assert shop.check() == {}
    with transaction(engine) as connection:
        schedules.resume(connection, shop.id, shop.now)
    shop.schedule(rules=NightRules(checks=0))
    assert shop.check() == {}
    with transaction(engine) as connection:
        schedules.remove_schedule(connection, shop.id)
    assert shop.check() == {}
    shop.schedule()
    mine = shop.id
    erasure.begin(engine, mine)
    assert shop.check() == {}
    with transaction(engine) as connection:
        connection.execute(text("UPDATE merchants SET erasing_at = NULL"))
    assert shop.check() == {"same": 1}


def test_a_page_is_found_without_reading_what_is_not_due(open_shop: Open) -> None:
    shop = open_shop("a")
    with transaction(shop.session.engine) as connection:
        connection.execute(
            text("""
            INSERT INTO catalog_images (merchant_id, sku, position, image, source, output, pixels, content,
                                        styled_content, check_at)
            SELECT merchant_id, 's' || n, 1, image, source || n, output, 1, content, content, :later
            FROM catalog_images, generate_series(1, 3000) n
            """),
            {"later": shop.now + 9 * EVERY},
        )
        connection.execute(text("ANALYZE"))
        touched = rows_touched(connection, lambda: take_page(connection, shop.now + EVERY))
        none = rows_touched(connection, lambda: take_page(connection, shop.now + EVERY))
    assert touched["catalog_images"] <= 4
    assert none.get("catalog_images", 0) <= 4


@pytest.mark.parametrize("number", [-1, 10**12])
def test_a_budget_that_cannot_be_is_refused(number: int) -> None:
    with pytest.raises(UsageError, match="must be from 0 to"):
        NightRules(checks=number)
