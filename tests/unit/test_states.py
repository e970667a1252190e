"""The states and rules that code knows are those that the tables admit."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest
from sqlalchemy import CheckConstraint

from shared.catalog.looks import LookState
from shared.catalog.nights import NightState
from shared.models.promotion.canaries import CanaryState
from shared.models.training.requests import Depth, Trigger
from shared.models.training.runs import OVER, RunState
from shared.models.versions import ChangeKind, VersionState
from shared.proofs.proofs import ProofState
from shared.quality.reviews import ReviewState
from shared.queue.batches import BatchState, IntakeState
from shared.queue.chunks import ChunkState
from shared.queue.jobs import JobState
from shared.queue.queues import QueueName
from shared.tables import metadata

STATES: list[tuple[str, type[StrEnum]]] = [
    ("batches.state", BatchState),
    ("batches.intake", IntakeState),
    ("batches.queue", QueueName),
    ("chunks.state", ChunkState),
    ("chunks.queue", QueueName),
    ("fair_shares.queue", QueueName),
    ("jobs.state", JobState),
    ("proofs.state", ProofState),
    ("reviews.state", ReviewState),
    ("catalog_looks.state", LookState),
    ("nights.state", NightState),
    ("model_versions.state", VersionState),
    ("promotions.kind", ChangeKind),
    ("canaries.state", CanaryState),
    ("training_runs.state", RunState),
    ("training_runs.trigger", Trigger),
    ("training_runs.depth", Depth),
]


def admitted(place: str) -> set[str]:
    """What a column may say."""
    table, column = place.split(".")
    checks = [str(one.sqltext) for one in metadata.tables[table].constraints if isinstance(one, CheckConstraint)]
    (check,) = [sql for sql in checks if sql.startswith(f"{column} IN ")]
    return set(re.findall("'([^']*)'", check))


@pytest.mark.parametrize(("place", "states"), STATES, ids=[place for place, _ in STATES])
def test_code_and_tables_know_the_same_states(place: str, states: type[StrEnum]) -> None:
    assert admitted(place) == {str(state) for state in states}


def test_a_run_that_is_over_has_an_end_and_no_other_has() -> None:
    assert {RunState.QUEUED, RunState.COLLECTING, RunState.TRAINING, RunState.COMPARING} == set(RunState) - OVER
