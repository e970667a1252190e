"""Training runs by the real procedure, on a tiny champion: what they learn from, how they go on, how they end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.context import Session
from shared.crontab import Crontab
from shared.database import transaction
from shared.errors import Conflict, UsageError
from shared.models.styles import style_rows
from shared.models.training import leases, schedules
from shared.models.training.photos import fresh_photos
from shared.models.training.requests import RunSpec
from shared.models.training.runs import cancel_run, list_runs
from shared.models.training.tick import publish_due, tick
from shared.models.versions import champion
from shared.operations.erasure import erase
from tests.atelier_command import Command, command_over, printed
from tests.random_vgg import write_random_vgg
from tests.training_setup import QUICK, School, picture, shape
from workers.training.retraining import train_slice


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors")


@pytest.fixture
def school(session: Session, tmp_path: Path, vgg: Path) -> School:
    return School.found(session, tmp_path, vgg)


@pytest.fixture
def atelier(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    return command_over(session, monkeypatch)


def test_a_run_ends_as_a_candidate_with_its_rows_and_the_champion_stays(school: School) -> None:
    school.merchant("shop", range(16))
    run = school.train(school.queue())
    assert (run.state, run.step, run.code) == ("finished", 4, None)
    assert [entry["step"] for entry in run.curve] == [0, 2, 4]
    with transaction(school.session.engine) as connection:
        known = champion(connection)
        assert known.id == run.start_id
        made = connection.execute(
            text("SELECT trunk_sha256, object_key, state, provenance FROM model_versions WHERE id = :id"),
            {"id": run.candidate_id},
        ).one()
        rows = style_rows(connection, None, made.trunk_sha256)
    assert made.state == "candidate"
    assert made.provenance["training_run"] == str(run.id)
    assert made.provenance["data_sha256"] == run.data_sha256
    assert sha256(school.session.store.get(made.object_key)).hexdigest() == made.trunk_sha256 != known.trunk_sha256
    assert set(rows) == {"plain"}
    assert school.states(run.id) == []


def test_a_run_in_slices_passed_from_trainer_to_trainer_is_the_same_as_one_in_one_go(school: School) -> None:
    school.merchant("shop", range(16))
    straight = school.train(school.queue())
    sliced, slices = school.queue(), 0
    with school.context(slice_minutes=0) as context, school.context(slice_minutes=0) as another:
        while not school.run(sliced).over:
            train_slice((context, another)[slices % 2], sliced)
            slices += 1
            assert len(school.states(sliced)) <= leases.SAVED_KEPT
    run = school.run(sliced)
    assert slices == 4
    assert (run.state, shape(run), run.data_sha256) == ("finished", shape(straight), straight.data_sha256)
    assert run.candidate_id == straight.candidate_id  # the very same trunk


def test_a_damaged_state_gives_way_to_the_one_before_and_none_left_fails_the_run(school: School) -> None:
    school.merchant("shop", range(16))
    straight = school.train(school.queue(steps=5))
    damaged, lost = school.queue(steps=5), school.queue(steps=5)
    with school.context(slice_minutes=0) as context:
        for _ in range(3):
            train_slice(context, damaged)
        assert len(school.states(damaged)) == 2
        school.session.store.put(school.states(damaged)[-1], b"something else")
        train_slice(context, damaged)
        assert school.run(damaged).step == 3  # taken again from the second
        while not school.run(damaged).over:
            train_slice(context, damaged)
        train_slice(context, lost)
        for key in school.states(lost):
            school.session.store.delete(key)
        train_slice(context, lost)
    assert shape(school.run(damaged)) == shape(straight)
    assert (school.run(lost).state, school.run(lost).code) == ("failed", "damaged_checkpoint")


def test_only_who_consents_is_learnt_from_and_each_content_once(school: School, atelier: Command) -> None:
    shop = school.merchant("shop", range(20))
    other = school.merchant("other", range(100, 130), consents=False)
    school.image(shop, 900, picture(3))  # a copy of another sku's
    with transaction(school.session.engine) as connection:
        found = fresh_photos(connection, 100)
        assert {photo.merchant_id for photo in found} == {shop}
        assert len(found) == len({photo.sha256 for photo in found}) == 20
        assert [photo.sha256 for photo in fresh_photos(connection, 2)] == [
            sha256(picture(seed)).hexdigest() for seed in (3, 19)
        ]
    assert printed(atelier("merchants", "consent", "other", "yes", "--json"))["consents_to_training"]
    with transaction(school.session.engine) as connection:
        both = fresh_photos(connection, 30)
    assert sorted(photo.merchant_id for photo in both) == [shop] * 15 + [other] * 15  # they take turns
    printed(atelier("merchants", "consent", "other", "no", "--json"))
    assert [one["what"] for one in printed(atelier("audit", "--json"))["entries"]] == ["merchants consent"] * 2
    run = school.train(school.queue())
    with transaction(school.session.engine) as connection:
        learnt = connection.execute(text("SELECT merchant_id FROM training_photos")).scalars().all()
    assert run.state == "finished"
    assert learnt == [shop] * 20


def test_too_few_photos_are_refused_with_the_reason(school: School, atelier: Command) -> None:
    shop = school.merchant("shop", range(11))
    with pytest.raises(UsageError, match="11 photos of merchants who consent"):
        school.queue()
    school.image(shop, 50, b"not an image")  # which is seen only when it is read
    run = school.train(school.queue())
    assert (run.state, run.code) == ("failed", "too_few_photos")
    school.merchant("shop", range(20, 24))
    refused = atelier("retrain", "--reason", "r", "--styles", "nope")
    assert "unknown style 'nope'" in str(refused.exception)


@pytest.mark.parametrize("leaves", ["consent", "erase"])
def test_a_merchant_who_leaves_ends_their_runs_and_is_in_none_after(
    school: School, atelier: Command, leaves: str
) -> None:
    school.merchant("shop", range(16))
    gone = school.merchant("gone", range(100, 104))
    run_id = school.queue()
    with school.context(slice_minutes=0) as context:
        train_slice(context, run_id)
        assert school.run(run_id).state == "training"
        if leaves == "consent":
            assert printed(atelier("merchants", "consent", "gone", "no", "--json"))["runs_stopped"] == 1
        else:
            erase(school.session.engine, school.session.store, gone, lambda _: None)
        assert (school.run(run_id).state, school.run(run_id).code) == ("failed", "consent_withdrawn")
        train_slice(context, run_id)
    after = school.train(school.queue())
    with transaction(school.session.engine) as connection:
        learnt = connection.execute(
            text("SELECT count(*) FROM training_photos WHERE run_id = :run AND merchant_id = :gone"),
            {"run": after.id, "gone": gone},
        ).scalar_one()
    assert (after.state, learnt) == ("finished", 0)


def test_runs_wait_for_the_one_before_and_a_second_trainer_takes_the_next(school: School) -> None:
    first, second = (school.merchant("shop", range(16)), school.queue())[1], school.queue()
    engine, broker = school.session.engine, school.session.broker
    with transaction(engine) as connection:
        assert leases.claim(connection, second, 60) is None  # not its turn
        mine = leases.claim(connection, first, 60)
        assert mine is not None
        assert leases.claim(connection, first, 60) is None
    assert publish_due(engine, broker) == broker.runs_held() == 1
    assert publish_due(engine, broker) == 0  # a message waits already
    with transaction(engine) as connection:
        theirs = leases.claim(connection, second, 60)
        assert theirs is not None
        leases.progress(connection, theirs, 60, 1)
        cancel_run(connection, first, "no longer wanted")
        with pytest.raises(Conflict):
            leases.progress(connection, mine, 60, 1)
        with pytest.raises(Conflict):
            cancel_run(connection, first, "again")


def test_a_run_that_kills_its_trainers_is_given_up(school: School) -> None:
    school.merchant("shop", range(16))
    run_id = school.queue()
    for _ in range(leases.MOST_ATTEMPTS):
        with transaction(school.session.engine) as connection:
            assert leases.claim(connection, run_id, 0) is not None
    publish_due(school.session.engine, school.session.broker)
    assert (school.run(run_id).state, school.run(run_id).code) == ("failed", "crashed_trainer")


def test_without_features_the_run_says_so(school: School, tmp_path: Path) -> None:
    school.merchant("shop", range(16))
    blind = school.session.settings.model_copy(update={"vgg": str(tmp_path / "none")})
    school.session = replace(school.session, settings=blind)
    run = school.train(school.queue())
    assert run.state == "failed"
    assert "VGG-19" in str(run.message)


def test_a_style_without_a_row_for_the_champion_is_learnt_by_a_run_of_its_own(school: School) -> None:
    shop = school.merchant("shop", range(16))
    school.style("dots", 700)
    school.style("mine", 701, merchant=shop)
    assert tick(school.session.engine, datetime.now(UTC)) == 2
    assert tick(school.session.engine, datetime.now(UTC)) == 0
    school.hurry()
    with transaction(school.session.engine) as connection:
        own, public = list_runs(connection, 2)
        trunk = champion(connection).trunk_sha256
    assert [(run.trigger, run.depth, run.styles, run.merchant_id) for run in (public, own)] == [
        ("new_style", "style", ("dots",), None),
        ("new_style", "style", ("mine",), shop),
    ]
    for run in (public, own):
        done = school.train(run.id)
        assert (done.state, done.candidate_id) == ("finished", None), done.message
    with transaction(school.session.engine) as connection:
        assert set(style_rows(connection, None, trunk)) == {"plain", "dots"}
        assert set(style_rows(connection, shop, trunk)) == {"plain", "dots", "mine"}
        assert champion(connection).trunk_sha256 == trunk


def test_drift_is_looked_for_at_each_slot_and_only_other_photos_are_learnt_from(school: School) -> None:
    school.merchant("shop", range(40))
    monday = datetime(2026, 3, 2, tzinfo=UTC)

    def check(day: int) -> tuple[str, str | None]:
        assert tick(school.session.engine, monday + timedelta(days=day)) == 1
        assert tick(school.session.engine, monday + timedelta(days=day)) == 0  # a second beat
        with transaction(school.session.engine) as connection:
            (run,) = list_runs(connection, 1)
        done = school.train(run.id)
        return done.state, done.code

    with transaction(school.session.engine) as connection:
        wanted = RunSpec("decoder", (), 4, 40, QUICK)
        schedules.set_schedule(connection, "drift", Crontab("0 1 * * *", "UTC"), wanted, monday)
    assert check(1) == ("cancelled", "no_drift")  # the first to be compared with
    assert check(2) == ("cancelled", "no_drift")
    school.merchant("shop", range(1000, 1040), light=200)
    assert check(3) == ("finished", None)


def test_a_slot_that_cannot_be_served_is_on_record(school: School) -> None:
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    with transaction(school.session.engine) as connection:
        schedules.set_schedule(connection, "schedule", Crontab("0 1 * * *", "UTC"), RunSpec(), monday)
        with pytest.raises(UsageError, match="take effect at once"):
            schedules.set_schedule(
                connection, "schedule", Crontab("0 1 * * *", "UTC"), RunSpec("style", ("plain",)), monday
            )
    tick(school.session.engine, monday + timedelta(days=1))
    with transaction(school.session.engine) as connection:
        (run,) = list_runs(connection, 1)
    assert (run.trigger, run.state, run.code) == ("schedule", "failed", "too_few_photos")


def test_the_commands_queue_show_and_cancel_a_run(school: School, atelier: Command, tmp_path: Path) -> None:
    school.merchant("shop", range(16))
    (tmp_path / "quick.json").write_text(json.dumps(QUICK))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "plain.png").write_bytes(picture(800, side=72))
    common = ("--reason", "new season", "--steps", "4", "--config", tmp_path / "quick.json")
    queued = printed(atelier("retrain", *common, "--pictures", tmp_path / "pictures", "--json"))
    assert (queued["state"], queued["styles"], queued["reason"]) == ("queued", ["plain"], "new season")
    run = school.train(UUID(queued["id"]))
    shown = atelier("runs", "show", str(run.id)[:30])
    assert "finished  step 4 of 4" in shown.stdout
    assert "▁" in shown.stdout
    second = printed(atelier("retrain", *common, "--json"))
    cancelled = printed(atelier("runs", "cancel", second["id"], "--json"))
    assert (cancelled["state"], printed(atelier("runs", "list", "--json"))[0]["state"]) == ("cancelled", "cancelled")
    assert isinstance(atelier("runs", "cancel", second["id"]).exception, Conflict)


def test_a_style_may_be_left_to_a_trainer_and_does_not_show_before_it_is_learnt(
    school: School, atelier: Command, tmp_path: Path
) -> None:
    school.merchant("shop", range(16))
    (tmp_path / "waves.png").write_bytes(picture(900, side=72))
    command = ("styles", "add", tmp_path / "waves.png", "--name", "waves", "--queue", "--json")
    run = school.run(UUID(printed(atelier(*command))["run"]))
    assert (run.trigger, run.depth, run.styles, run.steps) == ("new_style", "style", ("waves",), 200)
    assert "waves" not in atelier("styles", "list").stdout
    assert isinstance(atelier(*command).exception, Conflict)
    assert tick(school.session.engine, datetime.now(UTC)) == 0  # one run is enough
