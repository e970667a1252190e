"""Nights: what is planned, once; what is left; what becomes of it when things go wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.catalog import planning, schedules
from shared.catalog.nights import begin_now, lease_night
from shared.catalog.planning import plan_night
from shared.catalog.schedules import NightRules
from shared.catalog.tick import tick
from shared.context import Session
from shared.database import transaction
from shared.errors import LeaseLost, UsageError
from tests.shop import EVENING, Shop, skus


@pytest.fixture
def shop(session: Session, tmp_path: Path) -> Shop:
    found = Shop(session, tmp_path)
    found.look("udnie")
    return found


def test_three_nights_restyle_what_changed_and_nothing_else(shop: Shop) -> None:
    shop.schedule()
    shop.feed(skus(6))
    first = shop.live_a_night()
    assert first["by_reason"] == {"missing": 6}
    shown = shop.shown()
    assert None not in shown.values()

    # By day: one changes, one comes, one goes.
    shop.feed({sku: content for sku, content in skus(6).items() if sku != "N5"} | {"N1": "other", "new": "x"})
    second = shop.live_a_night()
    assert second["by_reason"] == {"missing": 1, "source_changed": 1}
    after = shop.shown()
    assert {sku for sku in shown.keys() & after.keys() if shown[sku] != after[sku]} == {"N1"}
    assert set(after) == {"N0", "N1", "N2", "N3", "N4", "new"}

    # By day: another look for one product; the third night has that alone, the fourth nothing.
    shop.look("pastel", "sku=N2")
    assert shop.live_a_night()["by_reason"] == {"look_changed": 1}
    assert shop.live_a_night()["by_reason"] == {}
    assert [night.state for night in shop.nights()] == ["planned"] * 4
    assert all(night.settled_at for night in shop.nights())


def test_a_night_comes_behind_all_other_work_and_is_pinned_to_the_champion(shop: Shop) -> None:
    shop.schedule()
    shop.feed(skus(2))
    shop.sleep(EVENING + timedelta(hours=5))
    with transaction(shop.session.engine) as connection:
        row = connection.execute(text("SELECT queue, intake, total, (SELECT state FROM model_versions v WHERE v.id = "
                                      "model_version_id) FROM batches")).one()  # fmt: skip
    assert tuple(row) == ("nightly", "sealed", 2, "champion")


def test_two_beats_plan_a_night_once(shop: Shop) -> None:
    shop.schedule()
    shop.feed(skus(40))
    session, now = shop.session, EVENING + timedelta(hours=6)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            both = [pool.submit(tick, session.engine, session.broker, session.settings, now) for _ in range(2)]
            assert sum(one.result().planned for one in both) <= 1
    with transaction(session.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM nights")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*), sum(total) FROM batches")).one() == (1, 40)


def test_a_planner_that_dies_leaves_nothing_and_the_next_plans(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.schedule()
    shop.feed(skus(3))
    with monkeypatch.context() as patched:
        patched.setattr(planning, "close_planning", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            shop.sleep(EVENING + timedelta(hours=6))
    shop.sleep(timedelta(minutes=1))
    assert (shop.night.state, shop.night.batch_id) == ("planning", None)
    with transaction(shop.session.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 0
        connection.execute(text("UPDATE nights SET lease_expires_at = clock_timestamp()"))
    shop.sleep(timedelta(minutes=1))
    assert shop.plan()["by_reason"] == {"missing": 3}


def test_a_planner_whose_lease_is_over_writes_nothing(shop: Shop) -> None:
    shop.schedule()
    shop.feed(skus(3))
    with transaction(shop.session.engine) as connection:
        begin_now(connection, shop.id, NightRules(), shop.now)
        slow = lease_night(connection)
        connection.execute(text("UPDATE nights SET lease_expires_at = clock_timestamp() - interval '1 second'"))
        quick = lease_night(connection)
    assert slow is not None
    assert quick is not None
    with pytest.raises(LeaseLost):
        plan_night(shop.session.engine, shop.session.settings, slow, shop.now)
    plan_night(shop.session.engine, shop.session.settings, quick, shop.now)
    with transaction(shop.session.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM batches")).scalar_one() == 1


def test_a_night_whose_planning_dies_again_and_again_is_given_up_and_says_so(shop: Shop) -> None:
    shop.schedule()
    shop.sleep(EVENING + timedelta(hours=6))
    with transaction(shop.session.engine) as connection:
        connection.execute(text("UPDATE nights SET state = 'planning', settled_at = NULL, lease = 5"))
    shop.sleep(timedelta(minutes=1))
    assert shop.night.state == "failed"
    assert "died 5 times" in shop.plan()["warnings"][0]


def test_what_does_not_fit_goes_first_next_night(shop: Shop) -> None:
    shop.schedule(rules=NightRules(images=4))
    shop.feed(skus(6))
    first = shop.live_a_night()
    assert (first["images"], first["left_for_next_night"]) == (4, 2)
    shop.feed(skus(6) | {"N0": "changed", "aaa": "new"})
    shop.sleep(shop.now.replace(hour=1) + timedelta(days=1))
    assert shop.planned()[:2] == ["N4", "N5"]
    assert set(shop.planned()[2:]) == {"N0", "aaa"}


def test_what_has_not_begun_when_the_window_ends_is_the_next_nights(shop: Shop) -> None:
    shop.set(chunk_megapixels=1.0)
    shop.schedule(until="03:00")
    shop.feed(skus(8))
    shop.sleep(datetime(2026, 3, 3, 1, 0, 1, tzinfo=UTC))
    begun = shop.style(most=2)
    assert begun.state == "running"
    shop.sleep(datetime(2026, 3, 3, 3, 0, 1, tzinfo=UTC))
    assert shop.night.settled_at
    left = {sku for sku, one in shop.images().items() if not one.styled}
    assert len(left) == begun.total - begun.succeeded > 0
    shop.sleep(datetime(2026, 3, 4, 1, 0, 1, tzinfo=UTC))
    assert set(shop.planned()) == left


def test_missed_slots_are_caught_up_within_the_window_and_recorded_beyond(shop: Shop) -> None:
    shop.schedule(until="06:00")
    shop.feed(skus(1))
    shop.sleep(datetime(2026, 3, 5, 5, tzinfo=UTC))
    assert [night.state for night in shop.nights()] == ["planned", "missed", "missed"]
    shop.sleep(datetime(2026, 3, 6, 7, tzinfo=UTC))
    assert shop.night.state == "missed"
    assert shop.night.slot == datetime(2026, 3, 6, 1, tzinfo=UTC)


def test_a_window_that_leaves_no_time_for_a_chunk_is_planned_empty_with_a_warning(shop: Shop) -> None:
    shop.schedule(until="02:00")
    shop.feed(skus(3))
    with transaction(shop.session.engine) as connection:
        connection.execute(
            text("""
            INSERT INTO batches (merchant_id, name, queue, look, presets, model_version_id, style_rows, fingerprint,
                input_columns, state, total, succeeded, created_at, finished_at)
            SELECT m.id, 'slow', 'bulk', '{}', '{}', v.id, '{}', '', '{}', 'finished', 100, 100,
                   now() - interval '1000 seconds', now() FROM merchants m, model_versions v
            """)
        )
    shop.sleep(datetime(2026, 3, 3, 1, 59, 30, tzinfo=UTC))
    assert (shop.night.state, shop.night.batch_id, shop.plan()["left_for_next_night"]) == ("planned", None, 3)
    assert "too short for a chunk" in shop.plan()["warnings"][0]


def test_time_and_cost_follow_from_the_measured_rate(shop: Shop) -> None:
    shop.set(gpu_hour_price=36.0, image_price=0.5)
    shop.feed(skus(30))
    shop.schedule()
    assert shop.live_a_night()["seconds"] is None
    with transaction(shop.session.engine) as connection:
        connection.execute(text("UPDATE batches SET finished_at = created_at + interval '15 seconds'"))
    shop.feed(skus(30, "2"))
    plan = shop.live_a_night()
    assert (plan["seconds"], plan["gpu_minutes"], plan["cost"]) == (15.0, 0.25, 15.15)


@pytest.mark.parametrize(("crontab", "until"), [("0 2 30 2 *", None), ("0 25 * * *", None), ("0 1 * * *", "01:05")])
def test_a_schedule_that_cannot_be_is_refused(shop: Shop, crontab: str, until: str | None) -> None:
    with pytest.raises(UsageError):
        shop.schedule(crontab, until=until)


def test_a_pause_stops_a_merchant_and_the_slots_it_covers_are_not_caught_up(shop: Shop) -> None:
    shop.schedule()
    shop.feed(skus(1))
    with transaction(shop.session.engine) as connection:
        schedules.pause(connection, None, "admin")
    shop.sleep(EVENING + timedelta(days=3))
    assert shop.nights() == []
    with transaction(shop.session.engine) as connection:
        schedules.resume(connection, None, shop.now)
    shop.sleep(timedelta(hours=1))
    assert shop.nights() == []
    shop.sleep(timedelta(days=1))
    assert [night.state for night in shop.nights()] == ["planned"]


def test_sources_that_are_gone_are_a_warning_and_no_longer_tried_every_night(shop: Shop) -> None:
    shop.schedule()
    shop.feed(skus(3))
    shop.live_a_night(refused={"N1"})
    assert shop.images()["N1"].refused == "object_not_found"
    plan = shop.live_a_night()
    assert plan["images"] == 0
    assert "1 images were refused as object_not_found" in plan["warnings"][0]
    shop.feed(skus(3) | {"N1": "mended"})
    assert shop.live_a_night()["by_reason"] == {"missing": 1}


def test_a_retired_style_is_a_warning_and_the_other_looks_go_on(shop: Shop) -> None:
    shop.schedule()
    shop.feed(skus(2))
    shop.look("pastel", "sku=N0")
    with transaction(shop.session.engine) as connection:
        connection.execute(
            text("DELETE FROM style_rows WHERE style_id IN (SELECT id FROM styles WHERE name = 'pastel')")
        )
    plan = shop.live_a_night()
    assert plan["images"] == 1
    assert plan["warnings"] == [
        "the look of sku 'N0' names style 'pastel', which the champion lacks: set another look",
        "1 images cannot use the look of sku 'N0': set another look",
    ]


def test_images_without_a_look_are_a_warning(session: Session, tmp_path: Path) -> None:
    shop = Shop(session, tmp_path)
    shop.schedule()
    shop.feed(skus(2))
    assert "2 images have no look" in shop.live_a_night()["warnings"][0]


def test_a_new_trunk_restyles_only_where_the_look_follows_and_a_new_style_nothing(shop: Shop) -> None:
    shop.schedule()
    shop.look("pastel", "sku=N0", follow=True)
    shop.feed(skus(2))
    shop.live_a_night()
    with transaction(shop.session.engine) as connection:
        connection.execute(text("INSERT INTO styles (name, title, artist, year, licence) VALUES ('n', '', '', '', '')"))
    assert shop.live_a_night()["images"] == 0
    with transaction(shop.session.engine) as connection:
        connection.execute(
            text("""
            WITH old AS (UPDATE model_versions SET state = 'retired' WHERE state = 'champion' RETURNING *)
            INSERT INTO model_versions (trunk_sha256, object_key, state, provenance)
            SELECT 'other', object_key, 'candidate', provenance FROM old
            """)
        )
        connection.execute(text("UPDATE model_versions SET state = 'champion' WHERE trunk_sha256 = 'other'"))
        connection.execute(
            text("INSERT INTO style_rows (style_id, trunk_sha256, sha256, object_key) "
                 "SELECT style_id, 'other', sha256, object_key FROM style_rows")
        )  # fmt: skip
    assert shop.live_a_night()["by_reason"] == {"model_changed": 1}


def test_other_formats_make_all_stale(shop: Shop) -> None:
    shop.schedule()
    shop.feed(skus(2))
    shop.live_a_night()
    shop.schedule(rules=NightRules(presets=("jpeg", "webp")))
    assert shop.live_a_night()["by_reason"] == {"look_changed": 2}
