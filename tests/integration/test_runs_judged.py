"""How training runs end: with a verdict on their candidate, and with its promotion where their rule allows that."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import text

from shared.context import Session
from shared.crontab import Crontab
from shared.database import transaction
from shared.errors import LeaseLost, UsageError
from shared.merchants.merchants import merchant_id
from shared.models.promotion.canaries import running_canary
from shared.models.promotion.history import history
from shared.models.promotion.rules import Rule, decide
from shared.models.promotion.verdicts import (
    ContactSheet,
    StoredVerdict,
    VerdictFigures,
    add_verdict,
    judge,
    list_verdicts,
)
from shared.models.training import leases, schedules
from shared.models.training.requests import RunSpec
from shared.models.training.runs import TrainingRun, cancel_run, list_runs
from shared.models.training.tick import publish_due, tick
from shared.models.versions import champion
from shared.operations.erasure import erase
from tests.atelier_command import Command, command_over, printed
from tests.candidates import add_version
from tests.random_vgg import write_random_vgg
from tests.training_setup import QUICK, School, held_out
from workers.training import comparing
from workers.training.retraining import train_slice
from workers.training.verdict_run import measure_pair

ANYHOW = "if-no-style-regresses-by 99%"
"""A rule that so short a training always keeps."""


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_vgg(tmp_path_factory.mktemp("vgg") / "vgg.safetensors")


@pytest.fixture
def school(session: Session, tmp_path: Path, vgg: Path) -> School:
    school = School.found(session, tmp_path, vgg)
    school.merchant("shop", [*range(12), *held_out(8)[:4]])
    school.merchant("other", held_out(8)[4:])
    return school


@pytest.fixture
def atelier(session: Session, monkeypatch: pytest.MonkeyPatch) -> Command:
    return command_over(session, monkeypatch)


def verdicts(school: School, run: TrainingRun) -> list[StoredVerdict]:
    assert run.candidate_id is not None
    with transaction(school.session.engine) as connection:
        return list_verdicts(connection, run.candidate_id)


def changes(school: School, run: TrainingRun) -> list[tuple[str, str]]:
    """What became of a run's candidate, and by whom."""
    assert run.candidate_id is not None
    with transaction(school.session.engine) as connection:
        return [(entry.kind, entry.who) for entry in history(connection, run.candidate_id)]


def let_lease_run_out(school: School) -> None:
    with transaction(school.session.engine) as connection:
        connection.execute(text("UPDATE training_runs SET lease_expires_at = clock_timestamp() WHERE lease > 0"))


def end_after(step: str, school: School, run_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work on a run until a step of the comparison is done, and no further: as a trainer that dies there."""
    do = getattr(comparing, step)

    def ends(*arguments: Any) -> None:
        do(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(comparing, step, ends)
        with pytest.raises(KeyboardInterrupt):
            school.train(run_id)


def test_a_run_ends_with_a_verdict_on_photos_it_held_out_and_waits_for_an_admin(
    school: School, atelier: Command
) -> None:
    run = school.train(school.queue())
    (stored,) = verdicts(school, run)
    assert (stored.id, stored.champion_id, stored.made_by) == (run.verdict_id, run.start_id, f"training run {run.id}")
    found = stored.verdict
    assert [style.style for style in found.styles] == ["plain"]
    panel = stored.figures.details.panel
    assert panel
    assert found.photos == len(panel.photos) >= 8
    assert (found.missing, found.unmeasured) == ([], [])
    assert stored.sheet_key
    with Image.open(io.BytesIO(school.session.store.get(stored.sheet_key))) as sheet:
        assert sheet.height > 8 * 144
    assert changes(school, run) == []
    assert "waits for an admin" in str(run.message)
    assert (
        f"candidate {run.candidate_id}, verdict {stored.id}, promoted never" in atelier("runs", "show", run.id).stdout
    )
    shown = atelier("models", "show", run.candidate_id).stdout
    assert f"verdict {stored.id} against {run.start_id}" in shown
    assert f"waits for an admin: `atelier models promote {run.candidate_id}`" in shown
    entry = next(one for one in printed(atelier("audit", "--json"))["entries"] if one["what"] == "run compared")
    assert entry["details"] == {"verdict": stored.id, "versions": [run.candidate_id, run.start_id]}


def test_a_rule_promotes_what_it_allows_and_the_history_names_rule_run_and_verdict(school: School) -> None:
    run = school.train(school.queue(rule=ANYHOW))
    assert run.candidate_id is not None
    with transaction(school.session.engine) as connection:
        entry = history(connection, run.candidate_id)[-1]
        state = connection.execute(
            text("SELECT state FROM model_versions WHERE id = :id"), {"id": run.candidate_id}
        ).scalar_one()
        audited = connection.execute(text("SELECT details FROM audit WHERE who = 'rule'")).scalar_one()
    assert (state, entry.kind, entry.who, entry.verdict_id) == ("champion", "promote", "rule", run.verdict_id)
    assert entry.reason.startswith(f"training run {run.id}, {ANYHOW}: ")
    assert audited == {"version": run.candidate_id, "previous": run.start_id, "reason": entry.reason}


def test_a_rule_decides_by_the_verdict_and_says_so_on_the_run(school: School) -> None:
    run = school.train(school.queue(rule="if-better"))
    (stored,) = verdicts(school, run)
    decision = decide(stored.verdict, Rule.parse("if-better"))
    assert changes(school, run) == ([("promote", "rule")] if decision.promote else [])
    assert decision.reason in str(run.message)


def test_by_rule_a_candidate_may_become_a_canary_first(school: School, atelier: Command) -> None:
    run = school.train(school.queue(rule=ANYHOW, canary=0.1))
    with transaction(school.session.engine) as connection:
        canary = running_canary(connection)
    assert canary
    assert (canary.version_id, canary.champion_id, canary.share) == (run.candidate_id, run.start_id, 0.1)
    assert changes(school, run) == [("canary", "rule")]
    assert "waits for an admin" not in atelier("models", "show", run.candidate_id).stdout
    again = school.train(school.queue(rule=ANYHOW, steps=5))
    assert "is running as a canary" in str(again.message)


def test_a_trainer_that_ends_in_the_comparison_leaves_one_verdict_and_promotion(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = school.queue(rule=ANYHOW)
    for step in ("measure_pair", "add_verdict", "promote_by_rule"):
        end_after(step, school, run_id, monkeypatch)
        assert school.run(run_id).state == "comparing"
        let_lease_run_out(school)
    run = school.train(run_id)
    assert (run.state, run.code, len(verdicts(school, run))) == ("finished", None, 1)
    assert changes(school, run) == [("promote", "rule")]


@pytest.mark.parametrize("canary", [0.0, 0.1])
def test_a_run_cancelled_while_its_files_are_verified_promotes_nothing(
    school: School, monkeypatch: pytest.MonkeyPatch, canary: float
) -> None:
    run_id = school.queue(rule=ANYHOW, canary=canary)
    end_after("add_verdict", school, run_id, monkeypatch)
    let_lease_run_out(school)
    where = "canaries" if canary else "promotions"

    def cancels(*_: object) -> None:
        with transaction(school.session.engine) as connection:
            cancel_run(connection, run_id, "no longer wanted")

    monkeypatch.setattr(f"shared.models.promotion.{where}.check_files", cancels)
    run = school.train(run_id)
    assert (run.state, run.message) == ("cancelled", "no longer wanted")
    assert changes(school, run) == []
    with transaction(school.session.engine) as connection:
        assert (champion(connection).id, running_canary(connection)) == (run.start_id, None)


EARLIER_CLAIM = """
UPDATE training_runs SET lease = lease + 1, attempts = attempts + 1,
    lease_expires_at = clock_timestamp() + make_interval(secs => 60),
    state = CASE state WHEN 'queued' THEN 'collecting' ELSE state END,
    started_at = coalesce(started_at, clock_timestamp())
WHERE id = :id AND finished_at IS NULL
  AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp()) AND next_attempt_at <= clock_timestamp()
  AND attempts < 5 AND NOT EXISTS (
    SELECT FROM training_runs o WHERE o.id < :id AND o.finished_at IS NULL
      AND (o.lease_expires_at IS NULL OR o.lease_expires_at < clock_timestamp())
      AND o.next_attempt_at <= clock_timestamp())
RETURNING *
"""
"""As it was before there were comparisons."""


def test_a_trainer_of_a_release_without_comparisons_takes_no_run_that_is_compared(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = school.queue(rule=ANYHOW)

    def taken_by_an_earlier_one() -> bool:
        with transaction(school.session.engine) as connection:
            found = connection.execute(text(EARLIER_CLAIM), {"id": run_id}).rowcount == 1
            connection.rollback()
        return found

    assert taken_by_an_earlier_one()
    end_after("load_pair", school, run_id, monkeypatch)
    let_lease_run_out(school)
    assert not taken_by_an_earlier_one()
    for delay, free in ((60, False), (0, True)):
        with transaction(school.session.engine) as connection:
            run = leases.claim(connection, run_id, 60)
            assert run
            leases.release(connection, run, "a service is away", delay)
            assert (leases.due(connection, 1) == [run_id]) is free
            with pytest.raises(LeaseLost):
                leases.progress(connection, run, 60, run.step)
        assert not taken_by_an_earlier_one()
        let_lease_run_out(school)
    assert school.train(run_id).state == "finished"


def test_a_trainer_told_to_stop_gives_the_comparison_to_another(school: School) -> None:
    run_id = school.queue()
    with school.context() as context:
        context.draining.set()  # noticed at the end of the training, whose last step is the only one
        with transaction(school.session.engine) as connection:
            connection.execute(text("UPDATE training_runs SET steps = 1"))
        train_slice(context, run_id)
    left = school.run(run_id)
    assert (left.state, left.verdict_id) == ("comparing", None)
    assert verdicts(school, school.train(run_id))


def test_what_cannot_be_measured_stays_a_candidate_and_the_run_says_why(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = school.queue(rule=ANYHOW)
    end_after("load_pair", school, run_id, monkeypatch)
    for info in list(school.session.store.list("pictures/")):
        school.session.store.delete(info.key)
    let_lease_run_out(school)
    run = school.train(run_id)
    assert (run.state, run.code, run.verdict_id) == ("finished", "not_compared", None)
    assert "no image of plain is in the store: `atelier retrain --pictures DIR` stores them" in str(run.message)
    assert (verdicts(school, run), changes(school, run)) == ([], [])


def test_a_comparison_that_kills_its_trainers_is_given_up_and_the_candidate_is_kept(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = school.queue()
    end_after("load_pair", school, run_id, monkeypatch)
    for _ in range(leases.MOST_ATTEMPTS - 1):
        let_lease_run_out(school)
        with transaction(school.session.engine) as connection:
            assert leases.claim(connection, run_id, 60)
    let_lease_run_out(school)
    publish_due(school.session.engine, school.session.broker)
    run = school.run(run_id)
    assert (run.state, run.code) == ("finished", "crashed_trainer")
    assert run.candidate_id is not None


@pytest.mark.parametrize("leaves", ["consent", "erase"])
def test_contact_sheets_with_the_photos_of_a_merchant_who_leaves_are_gone(
    school: School, atelier: Command, leaves: str
) -> None:
    store, candidate = school.session.store, add_version(school.session, "second")
    for key in ("verdicts/theirs.png", "verdicts/others.png"):
        store.put(key, b"sheet")
    with transaction(school.session.engine) as connection:
        merchants = [merchant_id(connection, name) for name in ("shop", "other")]
        for sheet in (
            ContactSheet("verdicts/theirs.png", merchants),
            ContactSheet("verdicts/others.png", merchants[:1]),
        ):
            add_verdict(
                connection, (candidate, champion(connection).id), VerdictFigures(judge({}, {})), sheet, "me@here"
            )
    if leaves == "consent":
        printed(atelier("merchants", "consent", "other", "no", "--json"))
    else:
        erase(school.session.engine, store, merchants[1], lambda _: None)
    with transaction(school.session.engine) as connection:
        left = [one.sheet_key for one in list_verdicts(connection, candidate)]
    assert left == ["verdicts/others.png", None]
    assert [info.key for info in store.list("verdicts/")] == ["verdicts/others.png"]


def test_photos_of_a_merchant_who_withdraws_while_it_is_compared_are_not_measured(
    school: School, monkeypatch: pytest.MonkeyPatch, atelier: Command
) -> None:
    measure, run_id = measure_pair, school.queue()

    def and_meanwhile(*arguments: Any) -> object:
        found = measure(*arguments)
        printed(atelier("merchants", "consent", "other", "no", "--json"))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(comparing, "measure_pair", and_meanwhile)
        school.train(run_id)
    assert school.run(run_id).state == "comparing"
    (stored,) = verdicts(school, school.train(run_id))
    with transaction(school.session.engine) as connection:
        shown = connection.execute(
            text("SELECT m.name FROM verdicts v JOIN merchants m ON m.id = ANY(v.merchants) WHERE v.id = :id"),
            {"id": stored.id},
        ).scalars()
        assert list(shown) == ["shop"]
    assert 4 <= stored.verdict.photos < 8


def test_rule_and_canary_are_given_by_the_commands_and_by_schedules(
    school: School, atelier: Command, tmp_path: Path
) -> None:
    (tmp_path / "quick.json").write_text(json.dumps(QUICK))
    how = ("--rule", "if-better", "--canary", "10%")
    common = ("--reason", "r", "--steps", "4", "--config", tmp_path / "quick.json")
    queued = printed(atelier("retrain", *common, *how, "--json"))
    assert (queued["rule"], queued["canary_share"]) == ("if-better", 0.1)
    assert school.run(UUID(queued["id"])).rule == "if-better"
    planned = printed(atelier("runs", "schedule", "0 3 * * *", *how, "--json"))
    assert (planned["rule"], planned["canary"]) == ("if-better", 0.1)
    for wrong, why in (
        (("--rule", "always"), "promotion rule 'always'"),
        (("--canary", "10%"), "a canary share is for a candidate that a rule promotes"),
        (("--rule", "if-better", "--train", "style", "--styles", "plain"), "makes no candidate to promote"),
    ):
        assert why in str(atelier("retrain", *common, *wrong).exception)
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    with transaction(school.session.engine) as connection:
        wanted = RunSpec("decoder", (), 4, 40, QUICK, ANYHOW)
        schedules.set_schedule(connection, "drift", Crontab("0 1 * * *", "UTC"), wanted, monday)
        with pytest.raises(UsageError):
            RunSpec(rule="sometimes")
        change = "UPDATE training_schedules SET wanted = wanted - 'canary' || '{\"later\": 1}' WHERE trigger = 'drift'"
        connection.execute(text(change))  # as another release writes it
    assert tick(school.session.engine, monday + timedelta(days=1)) >= 1
    with transaction(school.session.engine) as connection:
        assert ANYHOW in [run.rule for run in list_runs(connection, 2)]
