"""Canaries: who is pinned to them, what a night makes of them, and that they are returned when they do worse."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from producer.manifest import open_manifest
from producer.submit import Order, open_batch
from shared.catalog.night_actions import pause_nights, resume_nights
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict, UsageError
from shared.merchants.actors import Actor, Role, operator
from shared.models.promotion.canaries import (
    Canary,
    choose_pin,
    default_pin,
    parse_share,
    running_canary,
    start_canary,
    stop_canary,
    takes_batch,
)
from shared.models.promotion.comparison import TroubleCount
from shared.models.promotion.history import history
from shared.models.promotion.promotions import PromotionRequest, promote, retire, rollback
from shared.models.promotion.watch import count_troubled, watch_canary
from shared.models.versions import Change, ChangeKind
from shared.operations.actions import replay_failures
from shared.operations.dead_letters import Filter, failure_groups
from shared.queue.actions import pause_batch, resume_batch
from shared.queue.batches import Batch
from shared.queue.sweep import sweep
from tests.atelier_command import command_over, printed
from tests.builders import LOOK, add_finished, add_waiting
from tests.candidates import add_version, champion_id
from tests.shop import Shop

START = Change(ChangeKind.CANARY, "me@here", "")


def begun(session: Session, share: float = 0.1, name: str = "second") -> int:
    version = add_version(session, name)
    start_canary(session.engine, session.store, version, share, START)
    return version


def canary_of(session: Session) -> Canary | None:
    with transaction(session.engine) as connection:
        return running_canary(connection)


def ended(session: Session, version: int, batches: int, change: Callable[[Batch, int], str] | None = None) -> None:
    """Let batches of a version end; ``change`` gives a statement for each."""
    with transaction(session.engine) as connection:
        for number in range(batches):
            batch = add_finished(connection, f"shop-{number % 3}", 4)
            connection.execute(
                text("UPDATE batches SET model_version_id = :version, created_at = clock_timestamp() WHERE id = :id"),
                {"version": version, "id": batch.id},
            )
            if change:
                connection.execute(text(change(batch, number)))


def test_a_share_of_the_batches_is_the_canarys_for_every_merchant(session: Session) -> None:
    version = begun(session)
    taken: Counter[str] = Counter()
    with transaction(session.engine) as connection:
        usual = default_pin(connection, 1)
        for number in range(1000):
            pin = choose_pin(connection, 1, ["pastel"], usual)
            assert pin.batch_id
            assert (pin.version.id == version) is takes_batch(version, 0.1, pin.batch_id)
            taken[f"shop-{number % 4}"] += pin.version.id == version
    assert 70 <= taken.total() <= 130
    assert min(taken.values()) >= 10


def test_the_share_is_that_of_the_ids_and_another_version_takes_others() -> None:
    ids = [uuid4() for _ in range(20_000)]
    first, second = ({one for one in ids if takes_batch(version, 0.1, one)} for version in (1, 2))
    assert 0.09 < len(first) / len(ids) < 0.11
    assert 0.005 < len(first & second) / len(ids) < 0.015
    assert first < {one for one in ids if takes_batch(1, 0.2, one)}


def test_no_batch_in_a_style_that_the_canary_lacks_and_no_preview_is_its(session: Session, tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("sku,image\n1,https://cdn.example/1.jpg\n")
    first, version = champion_id(session), add_version(session, "lacking", without="pastel")
    start_canary(session.engine, session.store, version, 0.999999, START)
    order = Order("shop", open_manifest([str(tmp_path / "feed.csv")]), (LOOK,))
    assert open_batch(session, order)[0].model_version_id == version
    assert open_batch(session, replace(order, queue="preview"))[0].model_version_id == first
    pastel = replace(LOOK, mix=(("pastel", 1.0),))
    assert open_batch(session, replace(order, looks=(pastel,)))[0].model_version_id == first


def test_a_canary_is_begun_changed_and_ended_and_the_history_has_it(session: Session) -> None:
    version, other = begun(session), add_version(session, "third")
    for wanted, code in ((other, "canary_running"), (champion_id(session), "is_champion")):
        with pytest.raises(Conflict) as caught:
            start_canary(session.engine, session.store, wanted, 0.1, START)
        assert caught.value.code == code
    with pytest.raises(Conflict, match=f"models promote {version} --canary 0%"):
        promote(session.engine, session.store, PromotionRequest(other, "me@here"))
    start_canary(session.engine, session.store, version, 0.5, START)
    found = canary_of(session)
    assert found
    assert found.share == 0.5
    stop_canary(session.engine, version, Change(ChangeKind.RETURN, "me@here", "enough seen"))
    assert canary_of(session) is None
    with pytest.raises(Conflict, match="is not a canary"):
        stop_canary(session.engine, version, START)
    start_canary(session.engine, session.store, version, 0.5, START)
    promote(session.engine, session.store, PromotionRequest(version, "me@here"))
    assert canary_of(session) is None
    with transaction(session.engine) as connection:
        kinds = [entry.kind for entry in history(connection, version)]
        states = connection.execute(text("SELECT state FROM canaries ORDER BY id")).scalars().all()
    assert kinds == ["canary", "canary", "return", "canary", "promote"]
    assert states == ["stopped", "stopped", "promoted"]


def test_a_rollback_and_a_retirement_end_it(session: Session) -> None:
    promote(session.engine, session.store, PromotionRequest(add_version(session, "first"), "me@here"))
    version = begun(session)
    rollback(session.engine, session.store, "me@here", "")
    assert canary_of(session) is None
    start_canary(session.engine, session.store, version, 0.1, START)
    retire(session.engine, version, "me@here", "")
    assert canary_of(session) is None


def test_one_that_fails_its_images_is_returned_by_the_sweep_and_its_batches_stay(session: Session) -> None:
    first, version = champion_id(session), begun(session)

    def broken(batch: Batch, _: int) -> str:
        return (
            "WITH failed AS (UPDATE jobs SET state = 'failed', code = 'internal_error' "
            f"WHERE batch_id = '{batch.id}' RETURNING 1) "
            f"UPDATE batches SET succeeded = 0, failed = (SELECT count(*) FROM failed) WHERE id = '{batch.id}'"
        )

    ended(session, first, 12)
    ended(session, version, 4, broken)
    sweep(session.engine, session.broker)
    assert canary_of(session)
    ended(session, version, 1, broken)
    sweep(session.engine, session.broker)
    assert canary_of(session) is None
    with transaction(session.engine) as connection:
        entry = history(connection)[-1]
        pinned = connection.execute(
            text("SELECT count(*) FROM batches WHERE model_version_id = :id"), {"id": version}
        ).scalar_one()
        state = connection.execute(
            text("SELECT state FROM model_versions WHERE id = :id"), {"id": version}
        ).scalar_one()
    assert (entry.kind, entry.who, entry.version_id, entry.previous_id) == ("return", "rule", version, first)
    assert entry.reason.startswith("after 5 batches failed is 1 and the champion's 0")
    assert (pinned, state) == (5, "candidate")


def test_one_whose_renditions_are_worse_is_returned_and_one_that_is_as_good_is_not(session: Session) -> None:
    first, version = champion_id(session), begun(session)
    with transaction(session.engine) as connection:
        connection.execute(text("ALTER TABLE renditions ADD COLUMN IF NOT EXISTS quality jsonb"))

    def quality(distance: float) -> Callable[[Batch, int], str]:
        return lambda batch, number: (
            f"UPDATE renditions SET quality = jsonb_build_object('content_distance', {distance + number % 7 / 100}, "
            "'white_kept', NULL, 'held', true) WHERE id IN (SELECT rendition_id FROM job_renditions "
            f"WHERE batch_id = '{batch.id}')"
        )

    ended(session, first, 20, quality(0.6))
    ended(session, version, 7, quality(0.6))
    assert not watch_canary(session.engine)
    found = canary_of(session)
    assert found
    assert found.figures
    assert found.seen == 7
    assert found.figures["content_distance"]["canary"] == pytest.approx(0.63)
    assert not watch_canary(session.engine)  # nothing new to look at
    stop_canary(session.engine, version, Change(ChangeKind.RETURN, "me@here", ""))
    third = begun(session, name="third")
    ended(session, first, 20, quality(0.6))
    ended(session, third, 7, quality(0.9))
    assert watch_canary(session.engine)
    assert canary_of(session) is None
    assert not watch_canary(session.engine)


def begin_batches(session: Session, version: int, batches: int, *, troubled: int, how: str) -> None:
    """Let batches of a version begin, the first of which are in trouble; the others end."""
    with transaction(session.engine) as connection:
        for number in range(batches):
            add = add_waiting if number < troubled else add_finished
            batch = add(connection, f"shop-{number % 3}", 4)
            statements = ["UPDATE batches SET model_version_id = :version, created_at = :begun WHERE id = :id"]
            if number < troubled and how == "died":
                statements += [
                    "UPDATE chunks SET deaths = 2 WHERE batch_id = :id",
                    "UPDATE jobs SET deaths = 1 WHERE batch_id = :id AND ordinal = 2",
                ]
            begun = datetime.now(UTC) - (timedelta(hours=2) if how == "late" else timedelta(0))
            for statement in statements:
                connection.execute(text(statement), {"version": version, "begun": begun, "id": batch.id})


@pytest.mark.parametrize("how", ["died", "late"])
def test_one_whose_batches_get_nowhere_while_the_champions_end_is_returned(session: Session, how: str) -> None:
    first, version = champion_id(session), begun(session)
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE canaries SET started_at = started_at - interval '3 hours'"))
    begin_batches(session, first, 30, troubled=0, how=how)
    begin_batches(session, version, 2, troubled=2, how=how)
    assert not watch_canary(session.engine)  # that may be chance
    begin_batches(session, version, 1, troubled=1, how=how)
    sweep(session.engine, session.broker)
    assert canary_of(session) is None
    with transaction(session.engine) as connection:
        entry = history(connection)[-1]
    assert (entry.kind, entry.who, entry.version_id) == ("return", "rule", version)
    assert entry.reason.startswith("after 0 batches troubled is 1 and the champion's 0")


def test_where_the_champions_batches_wait_as_long_or_are_held_up_the_canary_stays(session: Session) -> None:
    first, version = champion_id(session), begun(session)
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE canaries SET started_at = started_at - interval '3 hours'"))
    begin_batches(session, first, 30, troubled=30, how="late")
    begin_batches(session, version, 5, troubled=5, how="late")
    assert not watch_canary(session.engine)
    found = canary_of(session)
    assert found
    assert found.troubled == 5
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE batches SET paused = true"))
        assert count_troubled(connection, found, version) == TroubleCount(0, 0)


def test_both_versions_are_compared_over_the_same_time_whatever_their_batches(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, version = champion_id(session), begun(session)
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE canaries SET started_at = started_at - interval '3 hours'"))
    for one, batches in ((first, 30), (version, 10)):
        begin_batches(session, one, batches, troubled=batches, how="late")
        ended(session, one, batches)  # newer than those that wait, so that the newest alone know of no trouble
    monkeypatch.setattr("shared.models.promotion.watch.MOST_BATCHES", 30)
    found = canary_of(session)
    assert found
    with transaction(session.engine) as connection:
        mine, others = (count_troubled(connection, found, one) for one in (version, first))
    assert (mine, others.batches) == (TroubleCount(20, 10), 30)
    assert others.troubled >= 5
    assert not watch_canary(session.engine)


def need_approval(session: Session) -> None:
    with transaction(session.engine) as connection:
        connection.execute(
            text("""
            INSERT INTO proofs (merchant_id, batch_id, why, state)
            SELECT merchant_id, id, 'asked', 'approved' FROM batches WHERE state = 'running'
            """)
        )


def rest(session: Session) -> None:
    with transaction(session.engine) as connection:
        rows = connection.execute(text("SELECT id, merchant_id FROM batches WHERE state = 'running'")).all()
    for batch, merchant in rows:
        actor = Actor(Role.MERCHANT, "key webshop", merchant)
        pause_batch(session.engine, actor, str(batch))
        resume_batch(session.engine, session.broker, actor, str(batch))


def fail_and_replay(session: Session) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE jobs SET state = 'failed', code = 'source_unavailable' WHERE state = 'queued'"))
        connection.execute(
            text("UPDATE batches SET state = 'finished', failed = total WHERE state = 'running' AND total > 0")
        )
        failures = failure_groups(connection, Filter(codes=("source_unavailable",)))
    assert replay_failures(session.engine, session.broker, operator(), failures).images


def rest_all_nights(session: Session) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE batches SET queue = 'nightly'"))
    pause_nights(session.engine, operator())
    resume_nights(session.engine, session.broker, operator(), datetime.now(UTC))


HELD_UP: dict[str, Callable[[Session], None]] = {
    "by a proof": need_approval,
    "until it was resumed": rest,
    "until its failures were replayed": fail_and_replay,
    "by a rest of all nights": rest_all_nights,
}


@pytest.mark.parametrize("how", HELD_UP)
def test_one_that_somebody_held_up_is_not_late_when_it_goes_on(session: Session, how: str) -> None:
    first, version = champion_id(session), begun(session)
    with transaction(session.engine) as connection:
        connection.execute(text("UPDATE canaries SET started_at = started_at - interval '3 hours'"))
    begin_batches(session, first, 10, troubled=0, how="late")
    begin_batches(session, version, 5, troubled=5, how="late")
    found = canary_of(session)
    assert found
    with transaction(session.engine) as connection:
        assert count_troubled(connection, found, version) == TroubleCount(5, 5)
    HELD_UP[how](session)
    with transaction(session.engine) as connection:
        assert count_troubled(connection, found, version) == TroubleCount(0, 0)
    assert not watch_canary(session.engine)


def test_the_images_own_failures_and_batches_of_before_count_for_nothing(session: Session) -> None:
    first = champion_id(session)
    ended(session, first, 5)
    version = begun(session)

    def unreadable(batch: Batch, _: int) -> str:
        return f"UPDATE jobs SET state = 'failed', code = 'unreadable_image' WHERE batch_id = '{batch.id}'"

    ended(session, version, 5, unreadable)
    assert not watch_canary(session.engine)
    found = canary_of(session)
    assert found
    assert found.figures == {}
    ended(session, first, 5)
    ended(session, version, 1, unreadable)
    assert not watch_canary(session.engine)
    found = canary_of(session)
    assert found
    assert found.figures
    assert found.figures["failed"]["canary"] == 0


def test_a_canarys_night_is_stale_for_following_looks_once_the_canary_is_returned(
    session: Session, tmp_path: Path
) -> None:
    shop = Shop(session, tmp_path)
    shop.look("pastel", "sku=N0", follow=True)
    shop.look("great-wave")
    shop.schedule()
    shop.feed({"N0": "0", "N1": "1"})
    version = begun(session, 0.999999)
    assert shop.live_a_night()["model_version"] == version
    assert shop.live_a_night()["images"] == 0
    stop_canary(session.engine, version, Change(ChangeKind.RETURN, "me@here", ""))
    shop.sleep(timedelta(hours=2))
    plan = shop.live_a_night()
    assert (plan["by_reason"], plan["model_version"]) == ({"model_changed": 1}, champion_id(session))
    start_canary(session.engine, session.store, version, 0.999999, START)
    shop.feed({"N0": "x", "N1": "1"})
    assert shop.live_a_night()["by_reason"] == {"source_changed": 1}
    promote(session.engine, session.store, PromotionRequest(version, "me@here"))
    assert shop.live_a_night()["images"] == 0


def test_a_promotion_makes_following_looks_stale_and_a_rollback_takes_that_back(
    session: Session, tmp_path: Path
) -> None:
    shop = Shop(session, tmp_path)
    shop.look("pastel", "sku=N0", follow=True)
    shop.look("great-wave")
    shop.schedule()
    shop.feed({"N0": "0", "N1": "1"})
    shop.live_a_night()
    promote(session.engine, session.store, PromotionRequest(add_version(session, "second"), "me@here"))
    assert shop.live_a_night()["by_reason"] == {"model_changed": 1}
    assert shop.live_a_night()["images"] == 0
    rollback(session.engine, session.store, "me@here", "")
    assert shop.live_a_night()["by_reason"] == {"model_changed": 1}


def test_the_command_begins_shows_and_ends_a_canary(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    atelier = command_over(session, monkeypatch)
    version = add_version(session, "second")
    assert printed(atelier("models", "promote", version, "--canary", "10%", "--json"))["canary_share"] == 0.1
    ended(session, champion_id(session), 5)
    ended(session, version, 5)
    watch_canary(session.engine)
    assert "canary 10 %" in atelier("models", "list").stdout
    shown = atelier("models", "show", version).stdout
    assert "canary: 10 % of the new batches since" in shown
    assert "failed: 0, champion 0, not worse" in shown
    assert printed(atelier("models", "promote", version, "--canary", "0%", "--json"))["canary_share"] == 0
    assert printed(atelier("models", "show", version, "--json"))["canary"] is None


@pytest.mark.parametrize("wanted", ["100%", "1", "-1%", "much", "nan", "%"])
def test_a_share_that_is_none_is_refused(wanted: str) -> None:
    with pytest.raises(UsageError, match="as 10%"):
        parse_share(wanted)
    assert (parse_share("10%"), parse_share("0.25"), parse_share("0%")) == (0.1, 0.25, 0)
