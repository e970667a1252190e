"""A batch rests for several reasons, and each of them ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Connection

from shared.catalog import schedules
from shared.context import Session
from shared.database import database_time, transaction
from shared.errors import Conflict
from shared.merchants.actors import operator
from shared.proofs.proofs import approve, find_proof
from shared.queue import actions, batches
from shared.queue.batches import Batch
from tests.builders import add_proof, add_waiting


@pytest.fixture
def night(session: Session) -> Batch:
    with transaction(session.engine) as connection:
        return add_waiting(connection, "shop", 3, queue="nightly")


Step = Callable[[Connection, Batch], object]


def merchant_pauses(connection: Connection, night: Batch) -> None:
    batches.set_paused(connection, night, paused=True)


def merchant_resumes(connection: Connection, night: Batch) -> None:
    batches.set_paused(connection, night, paused=False)


def admin_pauses(connection: Connection, _: Batch) -> None:
    schedules.pause(connection, None, "me@here")


def admin_resumes(connection: Connection, _: Batch) -> None:
    schedules.resume(connection, None, database_time(connection))


def nights_of_the_merchant_are_paused(connection: Connection, night: Batch) -> None:
    schedules.pause(connection, night.merchant_id, "me@here")


def nights_of_the_merchant_are_resumed(connection: Connection, night: Batch) -> None:
    schedules.resume(connection, night.merchant_id, database_time(connection))


def rests(session: Session, night: Batch, *steps: Step) -> bool:
    for step in steps:
        with transaction(session.engine) as connection:
            step(connection, night)
    with transaction(session.engine) as connection:
        return batches.get_batch(connection, night.id).paused


@pytest.mark.parametrize("pause", [admin_pauses, nights_of_the_merchant_are_paused])
def test_a_pause_of_nights_is_not_undone_by_the_merchant(session: Session, night: Batch, pause: Step) -> None:
    assert rests(session, night, pause)
    assert rests(session, night, merchant_resumes)
    assert rests(session, night, merchant_pauses, merchant_resumes)


def test_a_merchant_who_resumes_a_paused_night_is_refused_and_need_not_ask_again(
    session: Session, night: Batch
) -> None:
    assert rests(session, night, merchant_pauses, admin_pauses)
    with pytest.raises(Conflict) as caught:
        actions.resume_batch(session.engine, session.broker, operator("shop"), str(night.id))
    assert caught.value.code == "nights_paused"
    assert rests(session, night)
    assert not rests(session, night, admin_resumes)


def test_a_merchants_pause_of_a_batch_outlasts_that_of_the_nights(session: Session, night: Batch) -> None:
    assert rests(session, night, merchant_pauses, admin_pauses, admin_resumes)
    assert not rests(session, night, merchant_resumes)


def test_two_pauses_of_nights_end_each_by_itself(session: Session, night: Batch) -> None:
    assert rests(session, night, admin_pauses, nights_of_the_merchant_are_paused, admin_resumes)
    assert not rests(session, night, nights_of_the_merchant_are_resumed)


def test_an_approved_night_rests_while_nights_are_paused(session: Session, night: Batch) -> None:
    proofs: list[int] = []

    def wait(connection: Connection, batch: Batch) -> None:
        batches.wait_for_approval(connection, batch.id)
        proofs.append(add_proof(connection, batch.id))

    def approved(connection: Connection, batch: Batch) -> None:
        approve(connection, find_proof(connection, batch.merchant_id, proofs[-1]), "me@here")

    assert rests(session, night, wait, admin_pauses, admin_resumes), "it waits for approval"
    assert rests(session, night, admin_pauses, approved), "nights are paused"
    assert not rests(session, night, admin_resumes)


def test_bulk_work_does_not_rest_with_the_nights(session: Session) -> None:
    with transaction(session.engine) as connection:
        bulk = add_waiting(connection, "shop", 3)
    assert not rests(session, bulk, admin_pauses, merchant_pauses, merchant_resumes)


def test_a_batch_that_is_over_cannot_be_paused(session: Session, night: Batch) -> None:
    with transaction(session.engine) as connection:
        batches.mark_cancelled(connection, UUID(str(night.id)))
    with pytest.raises(Conflict):
        rests(session, night, merchant_pauses)
