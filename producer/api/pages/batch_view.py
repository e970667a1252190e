"""What the page of a batch shows: its progress, and pictures with their renditions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from math import ceil

from producer.output.gallery_view import shown_name
from shared.queue.batches import Batch, BatchState, IntakeState
from shared.queue.jobs import JobResult, JobState

_STEP_SECONDS = ((120, 10), (7200, 60), (float("inf"), 600))
"""Up to how many seconds, in which steps the remaining time is told, so that it does not flicker."""


@dataclass(frozen=True)
class Progress:
    """How far a batch is. ``rate`` is in images per second; it and ``left_seconds`` are None where unknown."""

    batch: Batch
    rate: float | None
    left_seconds: float | None

    @property
    def is_live(self) -> bool:
        """Return whether the figures will change by themselves."""
        return self.batch.state == BatchState.RUNNING

    @property
    def signature(self) -> str:
        """Return what the rest of the page depends on; where it differs, the page is loaded again."""
        return f"{self.batch.state}-{self.batch.intake}-{int(self.batch.paused)}"


@dataclass
class Picture:
    """One image of a batch. ``presets`` are those of its renditions, ``held`` whether it waits for review."""

    ordinal: int
    name: str
    style: str
    state: JobState
    reused: bool
    code: str | None
    message: str | None
    line: int
    held: bool
    presets: list[str] = field(default_factory=list)
    broken_rules: list[str] = field(default_factory=list)
    quality: dict[str, float] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Return the number of the image as people count, from 1."""
        return self.ordinal + 1


def progress_of(batch: Batch) -> Progress:
    """Return the progress of a batch. The rate is that since it was accepted, which hardly wavers."""
    rate = batch.done / batch.seconds if batch.done and batch.seconds > 0 else None
    is_counting_down = batch.state == BatchState.RUNNING and batch.intake == IntakeState.SEALED and not batch.paused
    left = (batch.total - batch.done) / rate if rate and is_counting_down else None
    return Progress(batch, rate, None if left is None else _stepped(left))


def pictures_of(jobs: Iterable[JobResult], held: Collection[int]) -> list[Picture]:
    """Return the images of jobs, of which there is one per rendition, in their order."""
    pictures: dict[int, Picture] = {}
    for job in jobs:
        picture = pictures.get(job.ordinal)
        if picture is None:
            picture = pictures[job.ordinal] = Picture(
                ordinal=job.ordinal,
                name=shown_name(job.sku, job.image),
                style=job.look.style,
                state=job.state,
                reused=job.reused,
                code=job.code,
                message=job.message,
                line=job.line,
                held=job.ordinal in held,
                quality=job.quality or {},
            )
        if job.preset is not None and job.object_key is not None:
            picture.presets.append(job.preset)
            if job.report is not None and not job.report.passed:
                picture.broken_rules.append(f"{job.preset}: {job.report.reason}")
    return list(pictures.values())


def _stepped(seconds: float) -> float:
    step = next(step for most, step in _STEP_SECONDS if seconds <= most)
    return ceil(seconds / step) * step
