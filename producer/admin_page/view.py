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
class View:
    """Everything that is on the page.

    ``models``   as ``shared.promotion.overview.show_version`` gives them, newest first; without those that are retired.
    ``history``  of promotions, newest first.
    ``last``     the newest night of each merchant who has a schedule, by his number.
    ``token``    names the run that the page's form may queue, so that a form sent twice queues one.
    """

    now: datetime
    who: str
    workers: Sequence[Worker]
    queues: Sequence[Queue]
    failed: Sequence[Heap]
    models: Sequence[Mapping[str, Any]]
    retired: Sequence[Overview]
    history: Sequence[Promotion]
    runs: Sequence[TrainingRun]
    training: Sequence[TrainingSchedule]
    schedules: Sequence[Schedule]
    last: Mapping[int, Night]
    pauses: Sequence[Pause]
    token: str

    @property
    def is_live(self) -> bool:
        """Whether a run is under way, so that the page should be looked at again soon."""
        return any(not run.over for run in self.runs)
