"""Checks of web sources: what has changed at its address is styled by the next night, and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from itertools import groupby
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from sqlalchemy import text

from producer.catalog_import import import_catalog
from producer.manifest import open_manifest
from shared.catalog import schedules
from shared.catalog import source_checks as checks
from shared.catalog.feed import Imported
from shared.catalog.schedules import NightRules
from shared.catalog.source_checks import (
    AGAIN,
    ARREARS,
    EVERY,
    LEASE,
    PAGE,
    SOON,
    Finding,
    find_round,
    record_findings,
    take_page,
)
from shared.context import Session
from shared.database import Lock, lock, transaction
from shared.errors import Conflict, UsageError
from shared.merchants.scope import scope
from shared.operations import erasure
from shared.queue.chunks import Claim
from shared.queue.jobs import Job
from shared.queue.outcomes import Succeeded
from tests.atelier_command import command_over, printed
from tests.hosting import Host, answer, serving
from tests.plans import rows_touched
from tests.shop import Shop, painted
from tests.waiting import LIMIT_SECONDS
from workers.fetch.buckets import Buckets
from workers.fetch.client import Web
from workers.fetch.reach import Reach
from workers.fetch.source_checks import check_sources
from workers.fetch.sources import Sources
from workers.runtime.metrics import Metrics

TICK = timedelta(seconds=30)


@dataclass
class Pictures:
    """A host's pictures by path; one that ``knows`` validators answers 304 where they are still the same."""

    host: Host
    knows: bool = True
    sent: Counter[int] = field(default_factory=Counter)
    """Answers by status."""

    def put(self, path: str, data: bytes) -> None:
        tag = f'"{sha256(data).hexdigest()[:8]}"'

        def picture(handler: BaseHTTPRequestHandler) -> None:
            same = self.knows and handler.headers["If-None-Match"] == tag
            self.sent[304 if same else 200] += 1
            headers = [f"ETag: {tag}"] if self.knows else []
            handler.wfile.write(answer(304) if same else answer(200, *headers, body=data))

        self.host.answers[path] = picture

    def say(self, path: str, status: int) -> None:
        self.host.answers[path] = answer(status)


class WebShop(Shop):
    """A shop whose pictures are on a host, and are styled as what that gives."""

    sources: Sources
    pictures: Pictures
    metrics: Metrics

    def fill(self, *skus: str) -> Imported:
        """Import a feed that names addresses and no hash: of one path for each sku."""
        return self.feed({sku: "" for sku in skus})

    def address(self, sku: str) -> str:
        return self.pictures.host.url(f"/{sku}")

    def painted(self, claim: Claim, job: Job) -> Succeeded:
        return painted(claim, job, sha256(self.sources.fetch(self.id, job.source)).hexdigest())

    def check(self, after: timedelta = TICK) -> Counter[str]:
        """Let beat tick once more."""
        self.now += after
        return check_sources(self.session.engine, self.sources, self.metrics, self.now)

    def check_all(self) -> Counter[str]:
        """Sleep until all are due, and check until none is."""
        self.now += EVERY
        found: Counter[str] = Counter()
        while page := self.check(ARREARS):
            found += page
        return found

    def column(self, name: str, table: str = "catalog_images") -> list[Any]:
        with transaction(self.session.engine) as connection:
            return list(
                connection.execute(
                    text(f"SELECT {name} FROM {table} WHERE merchant_id = {self.id} ORDER BY id")
                ).scalars()
            )


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give hosts and ticks all the time they take, on however slow a machine; tests of slow hosts say otherwise."""
    monkeypatch.setattr("workers.fetch.sources.SEE_SECONDS", LIMIT_SECONDS)
    monkeypatch.setattr("workers.fetch.source_checks.CHECKING_SECONDS", LIMIT_SECONDS)


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    with serving() as host:
        yield Pictures(host)


@pytest.fixture
def open_shop(session: Session, pictures: Pictures, tmp_path: Path) -> Callable[..., WebShop]:
    """Open shops that have a look, a schedule and, by sku, pictures that a night has styled."""

    def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    web = Web(Reach(networks=(ip_network("127.0.0.0/8"),)), 10**6, resolve=resolve)
    sources = Sources(session.engine, session.store, 10**6, Buckets(session.settings.store_options, 10**6), web)

    def opened(*skus: str, name: str = "shop", rules: NightRules | None = None) -> WebShop:
        shop = WebShop(session, tmp_path, name)
        shop.sources, shop.pictures, shop.metrics = sources, pictures, Metrics()
        shop.look("udnie")
        shop.schedule(rules=rules)
        for sku in skus:
            pictures.put(f"/{sku}", sku.encode())
        shop.fill(*skus)
        shop.live_a_night()
        pictures.sent.clear()
        return shop

    return opened


Open = Callable[..., WebShop]


def test_a_picture_that_changed_at_its_address_is_styled_the_next_night_and_nothing_else(
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


def test_a_feed_that_says_what_it_said_before_takes_nothing_back_and_makes_nothing_stale(
    open_shop: Open, pictures: Pictures
) -> None:
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


def test_a_picture_that_changed_and_moves_is_shown_at_its_new_place_and_not_styled_again(
    open_shop: Open, pictures: Pictures
) -> None:
    shop = open_shop("a")
    pictures.put("/a", b"another")
    shop.check_all()
    shop.live_a_night()
    shown = shop.shown()["a"]
    path = shop.folder / "moved.csv"
    path.write_text(f"sku,image\nz,{shop.address('a')}\n")
    done = import_catalog(shop.session, shop.name, open_manifest([str(path)]), lambda *_: None)
    assert (done.added, done.moved, done.removed) == (1, 1, 1)
    assert shop.shown() == {"z": shown}
    assert shop.live_a_night()["images"] == 0


def test_a_picture_that_goes_back_and_forth_is_stale_whenever_it_is_not_what_was_styled(
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


def test_a_host_that_is_busy_with_our_own_night_is_asked_soon_after_and_others_before(
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
    import_catalog(shop.session, shop.name, open_manifest([str(path)]), lambda *_: None)
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


def test_a_picture_that_many_images_share_is_asked_for_once_a_page(open_shop: Open, pictures: Pictures) -> None:
    shop = open_shop("a")
    path = shop.folder / "shared.csv"
    path.write_text("sku,image\n" + "".join(f"s{n},{shop.address('a')}\n" for n in range(PAGE)))
    import_catalog(shop.session, shop.name, open_manifest([str(path)]), lambda *_: None)
    with transaction(shop.session.engine) as connection:
        connection.execute(text("UPDATE catalog_images SET check_at = :now"), {"now": shop.now})
    pictures.put("/a", b"another")
    pictures.host.requests.clear()
    assert shop.check_all() == {"changed": PAGE}
    assert pictures.host.paths() == ["/a"]
    assert shop.live_a_night()["by_reason"] == {"source_changed": PAGE}
    import_catalog(shop.session, shop.name, open_manifest([str(path)]), lambda *_: None)
    assert shop.live_a_night()["images"] == 0


def test_nobody_is_asked_for_merchants_who_rest_have_no_schedule_no_budget_or_are_erased(open_shop: Open) -> None:
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


@pytest.mark.parametrize("number", [-1, 10**12])
def test_a_budget_that_cannot_be_is_refused(number: int) -> None:
    with pytest.raises(UsageError, match="must be from 0 to"):
        NightRules(checks=number)
