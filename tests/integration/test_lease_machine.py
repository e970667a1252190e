"""Whatever happens in whatever order, nothing is lost: a state machine over the real database and Redis.

Hypothesis draws what several workers, merchants and sweeps do, step by step: claims, finished and put-back jobs,
workers that go silent and come back later, lost and doubled messages, cancelling, pausing, retrying, pruning. After
each step the tables must agree with each other; at the end everything left is worked off, and must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Connection, text

from shared.context import Session
from shared.database import transaction
from shared.embedded import Services
from shared.errors import Conflict, LeaseLost
from shared.merchants.actors import operator
from shared.operations.prune import prune
from shared.proofs.proofs import wait_for_input
from shared.queue import batches, chunks, fleet
from shared.queue.chunks import Claim
from shared.queue.dispatch import WINDOW_PER_SLOT, dispatch
from shared.queue.jobs import Failed, PutBack
from shared.queue.outcomes import Outcome, Succeeded
from shared.queue.renditions import NewRendition, RenditionKey
from shared.queue.retry import retry_batch
from shared.queue.sweep import sweep
from tests.builders import add_waiting
from tests.sessions import fresh_session

WORKERS = (uuid4(), uuid4())
SLOTS = 1
JOBS, CHUNK_JOBS = 5, 2

# What must never be seen, each as a query that finds it.
WRONG = {
    "counters that a recount gives otherwise": """
        SELECT b.id FROM batches b LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
                   count(*) FILTER (WHERE state = 'failed') AS failed,
                   count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
                   count(*) FILTER (WHERE reused) AS reused, count(*) AS total
            FROM jobs j WHERE j.batch_id = b.id) j ON true
        WHERE (b.succeeded, b.failed, b.cancelled, b.total) <> (j.succeeded, j.failed, j.cancelled, j.total)
           OR b.reused <> j.reused""",
    "batches that ended with jobs queued, or go on with none": """
        SELECT b.id FROM batches b
        WHERE (b.finished_at IS NOT NULL) = EXISTS (
            SELECT FROM jobs j WHERE j.batch_id = b.id AND j.state = 'queued')""",
    "chunks that ended with jobs queued": """
        SELECT c.id FROM chunks c JOIN jobs j ON j.batch_id = c.batch_id AND j.state = 'queued'
            AND j.ordinal BETWEEN c.first_ordinal AND c.last_ordinal
        WHERE c.state IN ('done', 'cancelled')""",
    "leases of chunks that nobody could have": """
        SELECT id FROM chunks WHERE lease_expires_at IS NOT NULL AND (state <> 'dispatched' OR worker_id IS NULL)""",
    "claims without a lease, or leases without a claim": """
        SELECT id FROM chunks WHERE (lease_expires_at IS NULL) <> (claimed_at IS NULL)""",
    "merchants who have had less than nothing": "SELECT merchant_id FROM fair_shares WHERE virtual_time < 0",
    "merchants whose usage lacks images or renditions": """
        SELECT m.id FROM merchants m
        WHERE (SELECT coalesce(sum(styled + reused), 0) FROM usage WHERE merchant_id = m.id)
                < (SELECT coalesce(sum(succeeded), 0) FROM batches WHERE merchant_id = m.id)
           OR (SELECT coalesce(sum(styled), 0) FROM usage WHERE merchant_id = m.id)
                < (SELECT count(*) FROM renditions WHERE merchant_id = m.id)""",
    "succeeded jobs without a rendition, or others with one": """
        SELECT j.ordinal FROM jobs j LEFT JOIN job_renditions l USING (batch_id, ordinal)
        WHERE (j.state = 'succeeded') <> (l.rendition_id IS NOT NULL)""",
    "more in Redis's window than it holds": f"""
        SELECT queue FROM chunks WHERE state = 'dispatched' AND lease_expires_at IS NULL
        GROUP BY queue = 'preview', queue HAVING count(*) > {WINDOW_PER_SLOT * SLOTS * len(WORKERS)}""",
}  # fmt: skip


class Leases(RuleBasedStateMachine):
    """Several actors over one database. ``session`` is set by the test."""

    session: Session

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[UUID] = []
        self.claims: list[Claim] = []  # of workers that are well, and of some who lost theirs and do not know yet
        with self.transaction() as connection:
            for worker in WORKERS:
                fleet.register(connection, worker, "cpu", SLOTS)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with transaction(self.session.engine) as connection:
            yield connection

    def rows(self, statement: str, **parameters: Any) -> list[Any]:
        with self.transaction() as connection:
            return list(connection.execute(text(statement), parameters))

    # What merchants and admins do

    @rule(merchant=st.sampled_from(["large", "small"]), queue=st.sampled_from(["preview", "bulk", "nightly"]))
    def submit(self, merchant: str, queue: str) -> None:
        with self.transaction() as connection:
            batch = add_waiting(connection, merchant, JOBS, queue=queue, chunk_jobs=CHUNK_JOBS)
        self.batches.append(batch.id)

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(self.batches))
        with self.transaction() as connection:
            chunks.cancel_batch(connection, batch)

    @precondition(lambda self: self.batches)
    @rule(data=st.data(), paused=st.booleans())
    def pause_or_resume(self, data: st.DataObject, paused: bool) -> None:
        with self.transaction() as connection:
            batch = batches.get_batch(connection, data.draw(st.sampled_from(self.batches)))
            if batch.state == "running":
                batches.set_paused(connection, batch, paused=paused)

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        with self.transaction() as connection:
            batch = batches.get_batch(connection, data.draw(st.sampled_from(self.batches)))
        if batch.state == "cancelled":
            with pytest.raises(Conflict):
                retry_batch(self.session.engine, batch)
        else:
            assert retry_batch(self.session.engine, batch) == batch.failed

    @rule()
    def prune(self) -> None:
        """What has ended, ended long ago."""
        self.rows("""UPDATE batches SET finished_at = finished_at - interval '2 days'
                     WHERE finished_at IS NOT NULL RETURNING id""")
        prune(self.session.engine, self.session.store, operator(), 1, lambda _: None)
        left = {row.id for row in self.rows("SELECT id FROM batches")}
        self.batches = [batch for batch in self.batches if batch in left]

    # What must never happen, and is repaired if it does: a bug, or somebody's hand in the tables

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def strand(self, data: st.DataObject) -> None:
        """End a chunk over its queued jobs, or lose it; or damage the counters."""
        damage = data.draw(
            st.sampled_from(
                [
                    "UPDATE chunks SET state = 'done' WHERE id = :chunk AND lease_expires_at IS NULL RETURNING id",
                    "UPDATE chunks SET state = 'cancelled' WHERE id = :chunk AND lease_expires_at IS NULL RETURNING id",
                    "DELETE FROM chunks WHERE id = :chunk AND lease_expires_at IS NULL RETURNING id",
                    "UPDATE batches SET succeeded = 0, reused = 0 WHERE id = :batch RETURNING id",
                    "UPDATE batches SET total = total + 1 WHERE id = :batch RETURNING id",
                ]
            )
        )
        batch = data.draw(st.sampled_from(self.batches))
        open_chunks = [
            row.id
            for row in self.rows(
                """SELECT c.id FROM chunks c JOIN batches b ON b.id = c.batch_id
                   WHERE b.id = :batch AND b.state = 'running' ORDER BY c.id""",
                batch=batch,
            )
        ]
        if not open_chunks:
            return
        self.rows(damage, **{"chunk": data.draw(st.sampled_from(open_chunks)), "batch": batch})
        self.sweep()

    @rule(merchant=st.sampled_from(["large", "small"]), undecided=st.booleans())
    def submit_and_vanish(self, merchant: str, undecided: bool) -> None:
        """Break a submission off, for longer than a submitter may be silent."""
        with self.transaction() as connection:
            batch = add_waiting(connection, merchant, JOBS, chunk_jobs=CHUNK_JOBS)
            if undecided:  # a sample of it may need approval once its last row is there
                wait_for_input(connection, batch, asked=True)
        self.batches.append(batch.id)
        self.rows(
            """UPDATE batches SET intake = 'receiving', received_at = received_at - interval '2 hours'
               WHERE id = :id RETURNING id""",
            id=batch.id,
        )
        self.sweep()
        with self.transaction() as connection:
            found = batches.get_batch(connection, batch.id)
        assert (found.intake, found.state) == ("sealed", "cancelled" if undecided else "running")
        assert found.notice

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def end_the_window(self, data: st.DataObject) -> None:
        """As of a night: what has not begun is cancelled, and the batch ends with what is in hand."""
        with self.transaction() as connection:
            chunks.cancel_unleased(connection, data.draw(st.sampled_from(self.batches)))

    # What the queue does

    @rule()
    def dispatch(self) -> None:
        dispatch(self.session.engine, self.session.broker)

    @rule()
    def sweep(self) -> None:
        """Later, so that what was lost is seen to be."""
        self.rows("UPDATE chunks SET dispatched_at = dispatched_at - interval '1 minute' RETURNING id")
        sweep(self.session.engine, self.session.broker)

    @rule()
    def lose_a_message(self) -> None:
        self.fetch()

    @rule()
    def lose_all_messages(self) -> None:
        with self.session.broker.app.connection_for_read() as connection:
            connection.default_channel.client.flushall()

    def fetch(self) -> int | None:
        """Take the next message as a worker does: from the first queue that has one."""
        with self.session.broker.app.connection_for_read() as connection:
            for queue in ("preview", "bulk"):
                with connection.SimpleQueue(queue) as messages:
                    try:
                        message = messages.get_nowait()
                    except messages.Empty:
                        continue
                    message.ack()
                    return int(message.payload[0][0])
        return None

    # What workers do

    @rule(worker=st.sampled_from(WORKERS))
    def claim(self, worker: UUID) -> None:
        if (chunk := self.fetch()) is not None:
            self.take(chunk, worker)

    @rule(worker=st.sampled_from(WORKERS), data=st.data())
    def claim_by_a_message_of_long_ago(self, worker: UUID, data: st.DataObject) -> None:
        known = [row.id for row in self.rows("SELECT id FROM chunks ORDER BY id")]
        if known:
            self.take(data.draw(st.sampled_from(known)), worker)

    def take(self, chunk: int, worker: UUID) -> None:
        with self.transaction() as connection:
            claim = chunks.claim(connection, chunk, worker, 600)
        if claim is not None:
            self.claims.append(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Finish some jobs, of which others may have been finished before, or by somebody else."""
        claim = data.draw(st.sampled_from(self.claims))
        outcomes = [self.outcome(n, data) for n in range(claim.first_ordinal, claim.last_ordinal + 1)]
        before = self.jobs_of(claim)
        try:
            with self.transaction() as connection:
                recorded = chunks.finish(connection, claim, [one for one in outcomes if one], 600)
        except LeaseLost:
            assert not self.is_held(claim)
            recorded = False
            self.claims.remove(claim)
        if not recorded:
            assert self.jobs_of(claim) == before

    def outcome(self, ordinal: int, data: st.DataObject) -> Outcome | None:
        key = RenditionKey(f"source {data.draw(st.integers(0, 2))}", "look", "trunk", "jpeg")
        made = NewRendition(key, f"renditions/{key.source_sha256}", "0" * 64, 1, 1, 1)
        choices: list[Outcome | None] = [
            None,
            Succeeded(ordinal, (key,), (made,)),
            Succeeded(ordinal, (key,), ()),
            Failed(ordinal, "image_not_readable", "as if", retryable=True),
            PutBack(ordinal, 0.0),
        ]
        return data.draw(st.sampled_from(choices))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def take_in_hand(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        ordinal = data.draw(st.integers(claim.first_ordinal, claim.last_ordinal))
        with self.only_if_held(claim), self.transaction() as connection:
            chunks.take_in_hand(connection, claim, ordinal, 600)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        with self.only_if_held(claim), self.transaction() as connection:
            chunks.release(connection, claim)
        if claim in self.claims:
            self.claims.remove(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), comes_back=st.booleans())
    def go_silent(self, data: st.DataObject, comes_back: bool) -> None:
        """Lose a lease; one that comes back still believes to have it."""
        claim = data.draw(st.sampled_from(self.claims))
        with self.transaction() as connection:
            connection.execute(
                text("""UPDATE chunks SET lease_expires_at = clock_timestamp() - interval '1 second'
                        WHERE id = :id AND lease = :lease AND lease_expires_at IS NOT NULL"""),
                {"id": claim.chunk_id, "lease": claim.lease},
            )
            chunks.expire_leases(connection)
        if not comes_back:
            self.claims.remove(claim)

    @contextmanager
    def only_if_held(self, claim: Claim) -> Iterator[None]:
        held = self.is_held(claim)
        try:
            yield
        except LeaseLost:
            assert not held
            self.claims.remove(claim)
        else:
            assert held

    def is_held(self, claim: Claim) -> bool:
        return bool(
            self.rows(
                "SELECT id FROM chunks WHERE id = :id AND lease = :lease AND lease_expires_at IS NOT NULL",
                id=claim.chunk_id,
                lease=claim.lease,
            )
        )

    def jobs_of(self, claim: Claim) -> list[Any]:
        return self.rows(
            "SELECT * FROM jobs WHERE batch_id = :batch AND ordinal BETWEEN :first AND :last ORDER BY ordinal",
            batch=claim.batch.id,
            first=claim.first_ordinal,
            last=claim.last_ordinal,
        )

    # What must hold

    @invariant()
    def the_tables_agree(self) -> None:
        assert {what: found for what, query in WRONG.items() if (found := self.rows(query))} == {}

    def teardown(self) -> None:
        """Let time pass and one worker work: all that is left must end."""
        for _ in range(20 * len(self.batches) + 20):
            if not self.rows("SELECT id FROM batches WHERE finished_at IS NULL"):
                break
            self.rows("UPDATE batches SET paused = false RETURNING id")
            self.rows("""UPDATE chunks SET lease_expires_at = lease_expires_at - interval '1 hour',
                         next_attempt_at = clock_timestamp() RETURNING id""")
            self.sweep()
            while (chunk := self.fetch()) is not None:
                self.work_off(chunk)
        self.the_tables_agree()
        assert self.rows("SELECT id FROM batches WHERE finished_at IS NULL") == []
        self.prune()
        for table in ("batches", "jobs", "chunks", "renditions", "job_renditions"):
            assert self.rows(f"SELECT 1 FROM {table}") == []

    def work_off(self, chunk: int) -> None:
        with self.transaction() as connection:
            claim = chunks.claim(connection, chunk, WORKERS[0], 600)
            if claim is not None:
                ordinals = range(claim.first_ordinal, claim.last_ordinal + 1)
                chunks.finish(connection, claim, [Failed(n, "image_not_readable", "as if") for n in ordinals], 600)
                chunks.release(connection, claim)


def test_nothing_is_lost_whatever_happens_in_whatever_order(services: Services, tmp_path: Path) -> None:
    with fresh_session(services, tmp_path) as session:
        Leases.session = session
        run_state_machine_as_test(
            Leases, settings=settings(max_examples=12, stateful_step_count=30, print_blob=True, derandomize=True)
        )
