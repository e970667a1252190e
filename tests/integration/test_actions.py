"""What a user can do, as plain functions: whom they refuse, what they leave in the audit log, and their warnings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.broker import Broker
from shared.catalog import actions as catalog
from shared.catalog import night_actions
from shared.catalog.actions import LookScope, RevertTarget
from shared.context import Session
from shared.crontab import Crontab
from shared.database import transaction
from shared.errors import AtelierError, Conflict, NotAllowed, NotFound, UsageError
from shared.look import Look
from shared.merchants import actions as merchants
from shared.merchants.actors import Actor, Role, operator
from shared.merchants.merchants import merchant_id
from shared.models.promotion import actions as versions
from shared.models.training import actions as training
from shared.models.training.requests import RunSpec
from shared.operations import actions as operations
from shared.operations.dead_letters import Filter, failure_groups
from shared.proofs import actions as proofs
from shared.quality import actions as quality
from shared.quality.gate import Gate
from shared.queue import actions as queue
from shared.queue.batches import Batch, get_batch
from tests.builders import FAILED_IN, add_finished, add_proof, add_waiting
from tests.candidates import add_version

NOW = datetime(2026, 3, 2, 20, tzinfo=UTC)
NOBODY_LISTENS = "redis://127.0.0.1:1/0"

Act = Callable[[Session, Actor], object]

FOR_ADMINS: dict[str, Act] = {
    "pause everybody's nights": lambda s, a: night_actions.pause_nights(s.engine, Actor(a.role, a.name)),
    "resume everybody's nights": lambda s, a: night_actions.resume_nights(
        s.engine, s.broker, Actor(a.role, a.name), NOW
    ),
    "promote": lambda s, a: versions.promote_version(s.engine, s.store, a, 1),
    "start a canary": lambda s, a: versions.set_canary(s.engine, s.store, a, 1, 0.1),
    "roll back": lambda s, a: versions.roll_back(s.engine, s.store, a),
    "retire": lambda s, a: versions.retire_version(s.engine, a, 1),
    "queue a run": lambda s, a: training.queue_training(s.engine, s.broker, a, RunSpec(), "why"),
    "cancel a run": lambda s, a: training.cancel_training(s.engine, a, "0"),
    "schedule runs": lambda s, a: training.set_training_schedule(
        s.engine, a, "drift", Crontab("0 3 * * *", "UTC"), RunSpec(), NOW
    ),
    "unschedule runs": lambda s, a: training.remove_training_schedule(s.engine, a, "drift"),
    "keep pictures": lambda s, a: training.keep_style_pictures(s.engine, s.store, a, Path()),
    "consent": lambda s, a: training.set_consent(s.engine, s.store, a, consents=True),
    "make a key": lambda s, a: merchants.create_key(s.engine, a, "mine"),
    "revoke a key": lambda s, a: merchants.revoke_key(s.engine, a, "mine"),
    "allow a source": lambda s, a: merchants.allow_source(s.engine, a, "s3://photos/"),
    "withdraw a source": lambda s, a: merchants.withdraw_source(s.engine, a, "s3://photos/"),
    "replay failures": lambda s, a: operations.replay_failures(s.engine, s.broker, a, []),
    "discard failures": lambda s, a: operations.discard_failures(s.engine, a, []),
}

ON_A_BATCH: dict[str, Callable[[Session, Actor, str], object]] = {
    "cancel": lambda s, a, batch: queue.cancel_batch(s.engine, a, batch),
    "pause": lambda s, a, batch: queue.pause_batch(s.engine, a, batch),
    "resume": lambda s, a, batch: queue.resume_batch(s.engine, s.broker, a, batch),
    "retry": lambda s, a, batch: queue.retry_batch(s.engine, s.broker, a, batch),
    "publish": lambda s, a, batch: catalog.publish_night(s.engine, a, batch),
    "revert": lambda s, a, batch: catalog.revert(s.engine, a, RevertTarget(batch=batch)),
    "approve an image": lambda s, a, batch: catalog.approve_review(s.engine, a, batch, 0),
    "reject an image": lambda s, a, batch: catalog.reject_review(s.engine, a, batch, 0, "blurred"),
}

NOT_THERE: dict[str, Act] = {
    "approve a proof": lambda s, a: proofs.approve_proof(s.engine, s.broker, a, 99),
    "reject a proof": lambda s, a: proofs.reject_proof(s.engine, a, 99),
    "remove a look": lambda s, a: catalog.remove_look(s.engine, a, LookScope("default")),
    "remove a schedule": lambda s, a: night_actions.remove_schedule(s.engine, a),
}


def merchant_of(session: Session, name: str = "shop") -> Actor:
    """The holder of a merchant's key."""
    with transaction(session.engine) as connection:
        return Actor(Role.MERCHANT, "key webshop", merchant_id(connection, name))


def audited(session: Session) -> list[tuple[str, str]]:
    """Who did what, oldest first."""
    with transaction(session.engine) as connection:
        return [tuple(row) for row in connection.execute(text("SELECT who, what FROM audit ORDER BY id"))]


def waiting(session: Session, merchant: str = "shop") -> Batch:
    with transaction(session.engine) as connection:
        return add_waiting(connection, merchant, 3)


def finished(session: Session) -> Batch:
    """A batch with one failed image."""
    with transaction(session.engine) as connection:
        return add_finished(connection, "shop", FAILED_IN)


@pytest.mark.parametrize("what", FOR_ADMINS)
def test_a_merchants_key_may_do_nothing_that_concerns_others(session: Session, what: str) -> None:
    with pytest.raises(NotAllowed):
        FOR_ADMINS[what](session, merchant_of(session))
    assert audited(session) == []


@pytest.mark.parametrize("what", ON_A_BATCH)
def test_another_merchants_batch_is_not_found_and_stays(session: Session, what: str) -> None:
    batch = waiting(session, "other")
    with pytest.raises(NotFound, match="no batch"):
        ON_A_BATCH[what](session, merchant_of(session), str(batch.id))
    with transaction(session.engine) as connection:
        assert get_batch(connection, batch.id) == batch
    assert audited(session) == []


@pytest.mark.parametrize("what", NOT_THERE)
def test_what_is_not_there_is_refused_and_not_audited(session: Session, what: str) -> None:
    with pytest.raises(NotFound):
        NOT_THERE[what](session, merchant_of(session))
    assert audited(session) == []


def test_nobody_acts_for_a_merchant_without_a_name_nor_for_another(session: Session) -> None:
    with pytest.raises(UsageError, match="give the merchant"):
        queue.cancel_batch(session.engine, operator(), "0")
    with pytest.raises(NotAllowed):
        merchant_of(session).acting_for("other")
    assert operator().acting_for("shop") == operator("shop")


def test_a_batch_goes_through_its_life_and_each_step_is_audited_once(session: Session) -> None:
    actor, batch = merchant_of(session), str(waiting(session).id)
    assert queue.pause_batch(session.engine, actor, batch).paused
    resumed = queue.resume_batch(session.engine, session.broker, actor, batch)
    assert (resumed.batch.paused, resumed.warnings) == (False, ())
    assert queue.cancel_batch(session.engine, actor, batch).state == "cancelled"
    for refused in ("pause", "resume", "retry"):
        with pytest.raises(Conflict, match="cancelled"):
            ON_A_BATCH[refused](session, actor, batch)
    assert audited(session) == [("key webshop", what) for what in ("pause", "resume", "cancel")]


def test_failed_images_are_tried_again_and_counted_in_the_audit_log(session: Session) -> None:
    batch = finished(session)
    retried = queue.retry_batch(session.engine, session.broker, operator("shop"), str(batch.id))
    assert (retried.images, retried.batch.state, retried.batch.failed) == (1, "running", 0)
    with transaction(session.engine) as connection:
        details = connection.execute(text("SELECT details FROM audit")).scalar_one()
    assert details == {"batch": str(batch.id), "failed": 1}


def test_a_batch_that_needs_approval_of_its_sample_is_neither_paused_nor_resumed(session: Session) -> None:
    batch = waiting(session)
    with transaction(session.engine) as connection:
        number = add_proof(connection, batch.id)
        connection.execute(text("UPDATE batches SET paused = true"))
    actor = merchant_of(session)
    for refused in ("pause", "resume"):
        with pytest.raises(Conflict) as error:
            ON_A_BATCH[refused](session, actor, str(batch.id))
        assert error.value.code == "awaits_proof"
    assert proofs.approve_proof(session.engine, session.broker, actor, number).proof.state == "approved"
    with pytest.raises(Conflict, match="approved"):
        proofs.reject_proof(session.engine, actor, number)
    assert audited(session) == [("key webshop", "proof approved")]


def without_redis(session: Session) -> Broker:
    return Broker(NOBODY_LISTENS)


def test_without_redis_work_goes_on_later_and_whoever_asked_is_warned(session: Session) -> None:
    actor, batch = merchant_of(session), waiting(session)
    queue.pause_batch(session.engine, actor, str(batch.id))
    with transaction(session.engine) as connection:
        connection.execute(
            text("INSERT INTO workers (id, host, pid, device, slots) VALUES (gen_random_uuid(), 'here', 1, 'cpu', 2)")
        )
    resumed = queue.resume_batch(session.engine, without_redis(session), actor, str(batch.id))
    assert not resumed.batch.paused
    (warning,) = resumed.warnings
    assert "the workers are told later" in warning


def test_a_gate_and_rules_of_proofs_are_set_by_their_merchant_and_audited(session: Session) -> None:
    actor = merchant_of(session)
    quality.set_gate(session.engine, actor, Gate(content=0.5))
    quality.remove_gate(session.engine, actor)
    proofs.remove_proof_rules(session.engine, actor)
    assert [what for _, what in audited(session)] == ["gate set", "gate off", "proofs off"]


@pytest.mark.parametrize("wrong", [{}, {"sku": "a", "batch": "0"}, {"collection": "a", "position": 1}])
def test_exactly_one_thing_is_reverted(wrong: dict[str, str | int]) -> None:
    with pytest.raises(UsageError):
        RevertTarget(**wrong)  # type: ignore[arg-type]


def test_a_look_is_assigned_to_a_part_of_the_catalogue_only(session: Session) -> None:
    assert LookScope.parse("category=Shoes") == LookScope("category", "Shoes")
    assert LookScope.parse("default") == LookScope("default")
    look, actor = Look((("pastel", 1.0),)), merchant_of(session)
    for wrong in ("default=x", "category", "season=spring"):
        with pytest.raises(UsageError):
            catalog.set_look(session.engine, actor, LookScope.parse(wrong), look, follows_model=False)
    unknown = Look((("nobody", 1.0),))
    with pytest.raises(AtelierError) as error:
        catalog.set_look(session.engine, actor, LookScope("default"), unknown, follows_model=False)
    assert error.value.code == "unknown_style"
    assert audited(session) == []


def test_a_merchant_pauses_its_own_nights_and_an_admin_everybodys(session: Session) -> None:
    actor, admin = merchant_of(session), Actor(Role.ADMIN, "admin key ops")
    night_actions.pause_nights(session.engine, actor)
    night_actions.pause_nights(session.engine, admin)
    night_actions.resume_nights(session.engine, session.broker, admin.acting_for(actor.merchant), NOW)
    with transaction(session.engine) as connection:
        left = connection.execute(text("SELECT merchant_id, made_by FROM pauses")).all()
    assert [tuple(row) for row in left] == [(None, "admin key ops")]
    assert audited(session) == [
        ("key webshop", "schedules pause"),
        ("admin key ops", "schedules pause"),
        ("admin key ops", "schedules resume"),
    ]


def test_failures_of_a_batch_that_was_cancelled_since_are_left_alone(session: Session) -> None:
    batch = finished(session)
    with transaction(session.engine) as connection:
        counted = failure_groups(connection, Filter())
        connection.execute(text("UPDATE batches SET state = 'cancelled'"))
    assert operations.discard_failures(session.engine, operator(), counted) == 0
    assert operations.replay_failures(session.engine, session.broker, operator(), counted).images == 0
    with transaction(session.engine) as connection:
        assert get_batch(connection, batch.id).failed == 1
    assert audited(session) == []


def test_a_version_that_is_not_there_changes_no_pointer(session: Session) -> None:
    admin = Actor(Role.ADMIN, "admin key ops")
    with pytest.raises(NotFound):
        versions.promote_version(session.engine, session.store, admin, 99)
    with pytest.raises(NotFound):
        versions.set_canary(session.engine, session.store, admin, 99, 0.1)
    with pytest.raises(Conflict) as error:
        versions.roll_back(session.engine, session.store, admin)
    assert error.value.code == "no_previous"
    versions.promote_version(session.engine, session.store, admin, add_version(session, "second"), "better")
    assert audited(session) == [("admin key ops", "models promote")]
