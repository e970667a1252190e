"""What the page shows, as it stood at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.catalog.nights import Night
from shared.catalog.schedules import Pause, Schedule
from shared.models.promotion.history import Promotion
from shared.models.promotion.overview import Overview
from shared.models.training.runs import TrainingRun
from shared.models.training.schedules import TrainingSchedule
from shared.operations.backlog import Queue
from shared.operations.dead_letters import FailureGroup
from shared.queue.fleet import Worker


@dataclass(frozen=True)
class Live:
    """What changes by itself while a run is under way."""

    workers: Sequence[Worker]
    queues: Sequence[Queue]
    runs: Sequence[TrainingRun]

    @property
    def alive(self) -> list[Worker]:
        """The workers whose heartbeats are fresh."""
        return [worker for worker in self.workers if worker.alive]

    @property
    def under_way(self) -> list[TrainingRun]:
        """The runs under way, the first in line first."""
        return [run for run in reversed(self.runs) if not run.over]


@dataclass(frozen=True)
class View(Live):
    """Everything that is on the page.

    ``models``   as ``promotion.overview.show_version`` gives them, newest first, without retired ones.
    ``history``  of promotions, newest first.
    ``last``     the newest night of each merchant who has a schedule, by his number.
    ``token``    names the run that the page's form may queue, so that a form sent twice queues one.
    """

    now: datetime
    who: str
    failed: Sequence[FailureGroup]
    models: Sequence[Mapping[str, Any]]
    retired: Sequence[Overview]
    history: Sequence[Promotion]
    training: Sequence[TrainingSchedule]
    schedules: Sequence[Schedule]
    last: Mapping[int, Night]
    pauses: Sequence[Pause]
    token: str

    @property
    def ended(self) -> list[TrainingRun]:
        """The runs that are over, newest first."""
        return [run for run in self.runs if run.over]

    @property
    def models_in_use(self) -> list[Mapping[str, Any]]:
        """The models, the champion first, then the canary."""
        return sorted(self.models, key=lambda one: (one["state"] != "champion", one["canary_share"] is None))

    @property
    def resting(self) -> dict[str | None, Pause]:
        """The pauses by merchant; everybody's has none."""
        return {pause.merchant: pause for pause in self.pauses}

    @property
    def everybodys_pause(self) -> Pause | None:
        """Everybody's pause, if there is one."""
        return self.resting.get(None)
