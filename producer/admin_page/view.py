"""What the page shows, as it stood at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.backlog import Queue
from shared.catalog.nights import Night
from shared.catalog.schedules import Pause, Schedule
from shared.dead_letters import Heap
from shared.fleet import Worker
from shared.promotion.history import Promotion
from shared.promotion.overview import Overview
from shared.training.runs import TrainingRun
from shared.training.schedules import TrainingSchedule


@dataclass(frozen=True)
class Live:
    """What changes by itself while a run is under way."""

    workers: Sequence[Worker]
    queues: Sequence[Queue]
    runs: Sequence[TrainingRun]

    @property
    def under_way(self) -> list[TrainingRun]:
        """The runs under way, the first in line first."""
        return [run for run in reversed(self.runs) if not run.over]


@dataclass(frozen=True)
class View(Live):
    """Everything that is on the page.

    ``models``   as ``shared.promotion.overview.show_version`` gives them, newest first; without those that are retired.
    ``history``  of promotions, newest first.
    ``last``     the newest night of each merchant who has a schedule, by his number.
    ``token``    names the run that the page's form may queue, so that a form sent twice queues one.
    """

    now: datetime
    who: str
    failed: Sequence[Heap]
    models: Sequence[Mapping[str, Any]]
    retired: Sequence[Overview]
    history: Sequence[Promotion]
    training: Sequence[TrainingSchedule]
    schedules: Sequence[Schedule]
    last: Mapping[int, Night]
    pauses: Sequence[Pause]
    token: str
