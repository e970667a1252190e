"""The reconciler: whatever breaks an invariant is repaired by one sweep, and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from producer import jobs_from_rows
from producer.manifest import Manifest, ManifestRow
from producer.submit import Order, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import Conflict
from shared.look import Look
from shared.merchants.actors import operator
from shared.operations import dead_letters
from shared.operations.actions import replay_failures
from shared.operations.dead_letters import Filter
from shared.queue import batches, chunks
from shared.queue.batches import Batch
from shared.queue.jobs import Failed, PutBack
from shared.queue.outcomes import Outcome
from shared.queue.reconciler import Repaired, reconcile
from shared.queue.retry import retry_batch
from shared.queue.sweep import sweep
from tests.builders import add_finished, add_waiting
from tests.invariants import miscounted
from tests.waiting import wait_until

JOBS = 200


def do(session: Session, statement: str, **values: Any) -> None:
    with transaction(session.engine) as connection:
        connection.execute(text(statement), values)


def waiting(session: Session, jobs: int = JOBS) -> Batch:
    with transaction(session.engine) as connection:
        return add_waiting(connection, "shop", jobs)


def again(session: Session, batch: UUID) -> Batch:
    with transaction(session.engine) as connection:
        return batches.get_batch(connection, batch)


def open_jobs(session: Session, batch: UUID) -> int:
    """Queued jobs that lie in an open chunk."""
    with transaction(session.engine) as connection:
        return int(
            connection.execute(
                text("""
                SELECT count(DISTINCT j.ordinal) FROM jobs j JOIN chunks c ON c.batch_id = j.batch_id
                  AND j.ordinal BETWEEN c.first_ordinal AND c.last_ordinal AND c.state IN ('waiting', 'dispatched')
                WHERE j.batch_id = :batch AND j.state = 'queued'
                """),
                {"batch": batch},
            ).scalar_one()
        )


@pytest.mark.parametrize("replay", [False, True], ids=["retry", "dead-letters replay"])
def test_a_failed_image_is_retried_though_its_nights_window_has_ended(session: Session, replay: bool) -> None:
    """One image failed, two were put back, and then the window ended: their chunk is cancelled."""
    batch = waiting(session, 3)
    with transaction(session.engine) as connection:
        chunk = connection.execute(text("SELECT id FROM chunks")).scalar_one()
        claim = chunks.claim(connection, chunk, uuid4(), 60)
        assert claim
        outcomes: list[Outcome] = [
            Failed(0, "source_unavailable", "503", retryable=True),
            PutBack(1, 60.0),
            PutBack(2, 60.0),
        ]
        chunks.finish(connection, claim, outcomes, 60)
        chunks.release(connection, claim)
        chunks.cancel_unleased(connection, batch.id)
    assert again(session, batch.id).state == "finished"
    if replay:
        with transaction(session.engine) as connection:
            found = dead_letters.failure_groups(connection, Filter(batch=batch.id))
        assert replay_failures(session.engine, session.broker, operator(), found).images == 1
    else:
        assert retry_batch(session.engine, batch) == 1
    assert again(session, batch.id).state == "running"
    assert open_jobs(session, batch.id) == 1
    assert reconcile(session.engine) == Repaired(), "there was nothing left to repair"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE chunks SET state = 'done'",
        "UPDATE chunks SET state = 'cancelled' WHERE first_ordinal = 0",
        "DELETE FROM chunks WHERE first_ordinal = 64",
        "DELETE FROM chunks",
    ],
)
def test_stranded_jobs_are_given_a_chunk(session: Session, damage: str) -> None:
    batch = waiting(session)
    do(session, damage)
    lost = JOBS - open_jobs(session, batch.id)
    assert sweep(session.engine, session.broker).repaired == Repaired(stranded_jobs=lost)
    assert open_jobs(session, batch.id) == JOBS
    assert reconcile(session.engine) == Repaired()


def test_a_batch_without_an_open_chunk_is_repaired_without_a_sample(session: Session) -> None:
    waiting(session)
    do(session, "UPDATE chunks SET state = 'done'")
    assert reconcile(session.engine, sampled_jobs=0) == Repaired(stranded_jobs=JOBS)


def test_a_sample_of_a_large_batch_cuts_through_no_chunk(session: Session) -> None:
    """Wherever it begins: nothing of a sound batch is taken for a gap."""
    waiting(session)
    do(session, "UPDATE chunks SET state = 'done' WHERE first_ordinal = 128")
    repaired = Repaired()
    for _ in range(40):
        found = reconcile(session.engine, sampled_jobs=65)
        assert found in (Repaired(), Repaired(stranded_jobs=64))
        repaired += found
    assert repaired.stranded_jobs == 64


def test_queued_jobs_of_a_cancelled_batch_end_with_it(session: Session) -> None:
    batch = waiting(session)
    do(session, "UPDATE chunks SET state = 'done'")
    with transaction(session.engine) as connection:
        chunks.cancel_batch(connection, batch.id)
    assert again(session, batch.id).finished_at is None
    reconcile(session.engine)
    found = again(session, batch.id)
    assert (found.state, found.cancelled, found.finished_at is None) == ("cancelled", JOBS, False)


@pytest.mark.parametrize(
    "damage",
    ["succeeded = succeeded - 1", "failed = 0", "total = total + 7", "succeeded = 0, failed = 0", "reused = 3"],
)
def test_counters_are_what_a_recount_gives(session: Session, damage: str) -> None:
    with transaction(session.engine) as connection:
        batch = add_finished(connection, "shop", JOBS)
    do(session, f"UPDATE batches SET state = 'running', finished_at = NULL, {damage}")
    assert reconcile(session.engine) == Repaired(wrong_counters=1)
    found = again(session, batch.id)
    assert miscounted(session) == []
    assert (found.state, found.finished_at is None) == ("finished", False)


def test_a_batch_that_moves_on_is_left_alone(session: Session) -> None:
    waiting(session)
    with transaction(session.engine) as connection:
        add_finished(connection, "shop", JOBS)
    assert reconcile(session.engine) == Repaired()


class BrokenOff:
    """A manifest whose reader is killed before its first row."""

    name, format, columns, ignored, notes, digest = "feed", "csv", ("sku", "image"), 0, (), "feed"

    def rows(self) -> Any:
        yield from self.interrupted()

    @staticmethod
    def interrupted() -> Any:
        raise KeyboardInterrupt


LOOK = Look((("udnie", 1.0),))


def receive(session: Session) -> Batch:
    """Begin a submission whose process dies before the first row."""
    with pytest.raises(KeyboardInterrupt):
        submit_batch(session, Order("shop", Manifest([BrokenOff()]), (LOOK,)))
    with transaction(session.engine) as connection:
        batch_id = connection.execute(text("SELECT id FROM batches")).scalar_one()
    return again(session, batch_id)


class Resumed:
    """A manifest whose reader is taken for gone after two pages."""

    name, format, columns, ignored, notes, digest = "feed", "csv", ("sku", "image"), 0, (), "resumed"

    def __init__(self, session: Session) -> None:
        self.session = session

    def rows(self) -> Any:
        for number in range(30):
            if number == 20:
                wait_until(lambda: accepted(self.session) >= 20, "the pages before")
                do(self.session, "UPDATE batches SET received_at = received_at - interval '2 hours'")
                reconcile(self.session.engine)
            image = f"s3://photos/{number}.jpg"
            yield ManifestRow(number + 2, f"N{number}", image, image, f"{number}", None, None, {"sku": "x"}, None)


def accepted(session: Session) -> int:
    with transaction(session.engine) as connection:
        return int(connection.execute(text("SELECT total FROM batches")).scalar_one())


def test_a_submitter_that_was_taken_for_gone_is_told_so(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_from_rows, "PAGE_JOBS", 10)
    with pytest.raises(Conflict, match="its submission broke off") as error:
        submit_batch(session, Order("local", Manifest([Resumed(session)]), (LOOK,)))
    assert error.value.code == "submission_ended"


def test_a_merchants_pause_during_a_submission_that_breaks_off_cancels_nothing(session: Session) -> None:
    batch = waiting(session)
    do(session, "UPDATE batches SET intake = 'receiving', received_at = received_at - interval '2 hours'")
    do(session, "UPDATE batches SET merchant_paused = true, paused = true")
    assert reconcile(session.engine).abandoned_batches == 1
    ended = again(session, batch.id)
    assert (ended.state, ended.intake, ended.paused) == ("running", "sealed", True)
    assert ended.notice is not None
    assert "what was accepted is styled" in ended.notice


def test_a_batch_whose_submitter_is_gone_ends_and_says_so(session: Session) -> None:
    batch = receive(session)
    assert (batch.intake, batch.state) == ("receiving", "running")
    assert reconcile(session.engine) == Repaired(), "its submitter may be slow"
    do(session, "UPDATE batches SET received_at = received_at - interval '2 hours'")
    assert reconcile(session.engine) == Repaired(abandoned_batches=1)
    found = again(session, batch.id)
    assert (found.intake, found.state, found.finished_at is None) == ("sealed", "cancelled", False)
    assert found.notice == "its submission broke off after row 0: nothing of it is styled, submit it again"


def test_what_an_abandoned_submission_has_accepted_is_styled(session: Session) -> None:
    batch = waiting(session)
    do(session, "UPDATE batches SET intake = 'receiving', received_at = NULL, created_at = now() - interval '2 hours'")
    assert reconcile(session.engine) == Repaired(abandoned_batches=1)
    found = again(session, batch.id)
    assert (found.intake, found.state) == ("sealed", "running")
    assert "after row 200: what was accepted is styled" in str(found.notice)
    with pytest.raises(Conflict), transaction(session.engine) as connection:
        batches.extend(connection, replace(batch, rows_read=JOBS), rows=1, jobs=1, failed=0)


def test_a_submission_that_goes_on_is_not_abandoned(session: Session) -> None:
    batch = receive(session)
    do(session, "UPDATE batches SET received_at = received_at - interval '2 hours'")
    assert receive(session).id == batch.id
    assert reconcile(session.engine) == Repaired()
