"""What a night has made: who approves it, when it is shown, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.catalog.publishing import history, publish
from shared.catalog.schedules import NightRules
from shared.context import Session
from shared.database import Lock, lock, transaction
from shared.merchants.scope import scope
from shared.proofs.proofs import approve, reject
from tests.shop import EVENING, Shop, skus
from tests.waiting import wait_for_blocked_connection


@pytest.fixture
def shop(session: Session, tmp_path: Path) -> Shop:
    found = Shop(session, tmp_path)
    found.look("udnie")
    return found


def test_a_new_look_waits_for_approval_of_a_sample_of_24_skus(shop: Shop) -> None:
    shop.look("great-wave", proved=False)
    shop.schedule()
    rows = {f"N{n}": f"{n},{'lamps' if n < 5 else 'mugs'}" for n in range(60)}
    shop.feed(rows, columns="hash,category")
    shop.sleep(EVENING + timedelta(hours=6))
    night = shop.night
    assert (night.proof, shop.plan()["proof"]) == ("waiting", "the default look is new")
    sample = shop.jobs(night.proof_batch_id)
    assert len({job.sku for job in sample}) == 24
    assert {f"N{n}" for n in range(5)} <= {job.sku for job in sample}
    with pytest.raises(AssertionError):
        shop.style()  # paused: nobody can claim a chunk
    with scope(shop.session.engine, "shop") as (connection, _):
        approve(connection, shop.proof(), "admin")
    assert shop.style().succeeded == 60
    shop.sleep(timedelta(hours=1))
    shop.feed({sku: f"x{row}" for sku, row in rows.items()}, columns="hash,category")
    assert shop.live_a_night()["proof"] is None


def test_a_budget_makes_no_night_small_of_which_more_is_to_come(shop: Shop) -> None:
    shop.look("great-wave", proved=False)
    shop.schedule(rules=NightRules(images=10))
    shop.feed(skus(30))
    shop.sleep(EVENING + timedelta(hours=6))
    assert (shop.plan()["images"], shop.night.proof) == (10, "waiting")
    assert len(shop.jobs(shop.night.proof_batch_id)) == 10


def test_a_rejected_look_is_planned_no_more_until_it_is_another(shop: Shop) -> None:
    shop.look("great-wave", proved=False)
    shop.schedule()
    shop.feed(skus(30))
    shop.sleep(EVENING + timedelta(hours=6))
    with scope(shop.session.engine, "shop") as (connection, _):
        reject(connection, shop.proof(), "admin")
    shop.sleep(timedelta(minutes=1))
    plan = shop.live_a_night()
    assert (plan["images"], plan["warnings"][0]) == (0, "the default look was rejected: set another look")
    shop.look("udnie")
    assert shop.live_a_night()["images"] == 30


def test_a_proof_goes_on_by_rule_once_there_is_something_to_be_seen(shop: Shop) -> None:
    shop.schedule(rules=NightRules(proof_above=25, go_on_minutes=30))
    shop.feed(skus(30))
    shop.sleep(EVENING + timedelta(hours=6))
    shop.sleep(timedelta(hours=1))
    assert shop.night.proof == "waiting"
    shop.style(shop.night.proof_batch_id)
    shop.sleep(timedelta(minutes=1))
    assert (shop.night.proof, shop.proof().judged_by) == ("approved", "rule")
    assert shop.style().succeeded == 30


def test_an_image_a_collection_and_a_night_are_reverted_and_stay_so_the_next_night(shop: Shop) -> None:
    rows = {"a": "1,summer", "b": "1b,summer", "c": "1c,winter"}
    shop.schedule()
    shop.feed(rows, columns="hash,collection")
    shop.live_a_night()
    first = shop.shown()
    shop.feed({sku: f"2{row}" for sku, row in rows.items()}, columns="hash,collection")
    shop.live_a_night()
    second, batch = shop.shown(), shop.night.batch_id
    assert all(first[sku] != second[sku] for sku in rows)

    assert shop.revert(sku="a") == 1
    assert shop.shown() == second | {"a": first["a"]}
    assert shop.revert(collection="summer") == 1  # a shows its first already
    assert shop.shown() == second | {"a": first["a"], "b": first["b"]}
    assert shop.revert(batch_id=batch) == 1
    assert shop.shown() == first
    assert shop.live_a_night()["images"] == 0
    assert shop.shown() == first
    with scope(shop.session.engine, "shop") as (connection, mine):
        moves = history(connection, mine, "a")
    assert [(move.action, move.made_by, move.current) for move in moves] == [
        ("revert", "somebody", True), ("publish", "nightly", False), ("publish", "nightly", False)
    ]  # fmt: skip


def test_a_night_that_does_not_publish_shows_nothing_until_it_is_told_to(shop: Shop) -> None:
    shop.schedule(rules=NightRules(publish=False))
    shop.feed(skus(2))
    shop.live_a_night()
    assert set(shop.shown().values()) == {None}
    with scope(shop.session.engine, "shop") as (connection, mine):
        assert publish(connection, mine, shop.batch_id, "admin") == 2
        assert publish(connection, mine, shop.batch_id, "admin") == 0
    assert None not in shop.shown().values()


def publish_the_first(shop: Shop) -> int:
    with scope(shop.session.engine, "shop") as (connection, mine):
        first = shop.nights()[-1].batch_id
        assert first is not None
        return publish(connection, mine, first, "admin")


@pytest.mark.parametrize(
    "move",
    [lambda shop: shop.sleep(timedelta(hours=2)), publish_the_first, lambda shop: shop.revert(collection="summer")],
    ids=["settle", "publish", "revert"],
)
def test_what_moves_many_images_waits_for_an_import_and_neither_dies(shop: Shop, move: Callable[[Shop], int]) -> None:
    shop.schedule()
    shop.look("pastel", "collection=summer")
    for night in "123":
        shop.feed({sku: f"{content},summer" for sku, content in skus(9, night).items()}, columns="hash,collection")
        if night != "3":
            shop.live_a_night()
    shop.sleep(shop.now.replace(hour=1) + timedelta(days=1))
    shop.style()
    before, mine = shop.shown(), shop.id
    with ThreadPoolExecutor() as pool:
        with transaction(shop.session.engine) as connection:
            lock(connection, Lock.CATALOG, mine)
            connection.execute(text("UPDATE catalog_images SET image = image WHERE sku = 'N4'"))
            moving = pool.submit(move, shop)
            wait_for_blocked_connection(shop.session)
            connection.execute(text("UPDATE catalog_images SET image = image"))
        moving.result()
    assert all(before[sku] != shown for sku, shown in shop.shown().items())


def test_a_night_that_cannot_be_settled_holds_up_no_other_and_is_settled_later(
    session: Session, tmp_path: Path
) -> None:
    troubled, other = Shop(session, tmp_path, "troubled"), Shop(session, tmp_path, "other")
    for shop in (troubled, other):
        shop.look("udnie")
        shop.schedule()
        shop.feed(skus(2))
    troubled.sleep(EVENING + timedelta(hours=5))
    for shop in (troubled, other):
        shop.style()
    with transaction(session.engine) as connection:
        connection.execute(
            text(f"""
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'deadlock_detected'; END $$;
            CREATE TRIGGER fail BEFORE UPDATE ON catalog_images FOR EACH ROW
                WHEN (NEW.merchant_id = {troubled.id}) EXECUTE FUNCTION fail();
            """)
        )
    troubled.sleep(timedelta(minutes=1))
    assert (troubled.night.settled_at, set(troubled.shown().values())) == (None, {None})
    assert other.night.settled_at is not None
    assert None not in other.shown().values()
    with transaction(session.engine) as connection:
        connection.execute(text("DROP TRIGGER fail ON catalog_images"))
    troubled.sleep(timedelta(minutes=1))
    assert troubled.night.settled_at is not None
    assert None not in troubled.shown().values()
