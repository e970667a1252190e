"""How long a host that asks for time is waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from shared.errors import SourceUnavailable
from shared.look import Look
from shared.queue.batches import Batch, BatchState, IntakeState
from shared.queue.jobs import Failed, Job, PutBack
from shared.queue.outcomes import WANTING_TIME, outcome_of_error
from shared.queue.queues import QueueName

LOOK = Look((("udnie", 1.0),))
NOW = datetime.now(UTC)
BATCH = Batch(
    uuid4(),
    1,
    "feed",
    QueueName.BULK,
    LOOK,
    ("jpeg",),
    1,
    {},
    IntakeState.SEALED,
    BatchState.RUNNING,
    False,
    None,
    (),
    None,
    1,
    1,
    0,
    0,
    0,
    0,
    NOW,
    None,
)
JOB = Job(0, "mug", "https://shop.example/mug.jpg", "https://shop.example/mug.jpg", LOOK, attempts=0)
BUSY = SourceUnavailable("come back in a minute", wait_seconds=60, counts=False)


def test_asking_for_time_costs_no_attempt_for_a_day() -> None:
    outcome = outcome_of_error(BATCH, JOB, BUSY)
    assert isinstance(outcome, PutBack)
    assert outcome.attempts == 0
    assert outcome.delay_seconds >= 60


def test_who_asks_for_ever_is_given_up_in_the_end() -> None:
    old = replace(BATCH, age_seconds=WANTING_TIME.total_seconds() + 60)
    job, attempts = JOB, 0
    while isinstance(outcome := outcome_of_error(old, job, BUSY), PutBack):
        assert outcome.attempts == 1
        attempts += 1
        job = replace(job, attempts=attempts)
        assert attempts < 20
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == ("source_unavailable", True)
