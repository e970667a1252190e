"""Whoever waits for a batch is told why it stands still."""

from __future__ import annotations

from uuid import uuid4

import pytest

from producer import local_run as run
from shared.context import Session
from shared.database import transaction
from shared.queue import batches, chunks, fleet
from tests.builders import add_proof, add_waiting


@pytest.mark.parametrize(
    ("paused", "worker", "reason"),
    [(True, True, "the batch is paused"), (False, False, "no worker is running"), (False, True, "other work")],
)
def test_why_nothing_is_done_is_told_once(
    session: Session, monkeypatch: pytest.MonkeyPatch, paused: bool, worker: bool, reason: str
) -> None:
    monkeypatch.setattr(run, "STALLED_SECONDS", 0.0)
    monkeypatch.setattr(run, "POLL_SECONDS", 0.0)
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 3)
        batch = batches.set_paused(connection, batch, paused=paused)
        if worker:
            fleet.register(connection, uuid4(), "cpu", 1)
    told: list[str] = []
    looks = 0

    def show(seen: batches.Batch) -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            with transaction(session.engine) as connection:
                chunks.cancel_batch(connection, seen.id)

    assert run.wait_for_batch(session, batch, show, tell=told.append).state == "cancelled"
    assert len(told) == 1
    assert reason in told[0]


def test_a_batch_whose_sample_waits_for_approval_names_the_proof(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "STALLED_SECONDS", 0.0)
    monkeypatch.setattr(run, "POLL_SECONDS", 0.0)
    with transaction(session.engine) as connection:
        batch = add_waiting(connection, "shop", 3)
        batches.wait_for_approval(connection, batch.id)
        proof = add_proof(connection, batch.id)
        batch = batches.get_batch(connection, batch.id)

    def cancel(reason: str) -> None:
        told.append(reason)
        with transaction(session.engine) as connection:
            chunks.cancel_batch(connection, batch.id)

    told: list[str] = []
    run.wait_for_batch(session, batch, lambda _: None, tell=cancel)
    assert told == [f"the batch waits until you approve its sample: `atelier proofs show {proof}`"]
