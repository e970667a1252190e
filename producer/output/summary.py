"""Summarise a batch in numbers, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from shared.queue.batches import Batch, BatchState, IntakeState

EXIT_FAILED_IMAGES = 4


@dataclass(frozen=True)
class Summary:
    """A batch in numbers. ``reused`` is counted inside ``succeeded``.

    ``unpublished`` counts files of succeeded images that break a rule of their preset.
    """

    batch: str
    state: str
    total: int
    succeeded: int
    failed: int
    reused: int
    cancelled: int
    seconds: float
    images_per_second: float
    unpublished: int


def summarise(batch: Batch) -> Summary:
    """Return the figures of a batch. The rate counts the images styled since the batch was accepted."""
    seconds = batch.seconds
    return Summary(
        batch=str(batch.id),
        state=batch.state if batch.intake == IntakeState.SEALED else batch.intake,
        total=batch.total,
        succeeded=batch.succeeded,
        failed=batch.failed,
        reused=batch.reused,
        cancelled=batch.cancelled,
        seconds=round(seconds, 2),
        images_per_second=round(batch.succeeded / seconds, 3) if seconds > 0 else 0.0,
        unpublished=batch.unpublished,
    )


def as_json(batch: Batch) -> dict[str, object]:
    """Return the object that ``--json`` prints."""
    return asdict(summarise(batch)) | {
        "name": batch.name,
        "paused": batch.paused,
        "queue": batch.queue,
        "notice": batch.notice,
    }


def as_line(batch: Batch) -> str:
    """Return the summary as one line for a terminal."""
    figures = summarise(batch)
    parts = [f"{figures.succeeded} of {figures.total} images styled"]
    if figures.reused:
        parts.append(f"{figures.reused} of them reused")
    if figures.failed:
        parts.append(f"{figures.failed} failed")
    if figures.cancelled:
        parts.append(f"{figures.cancelled} cancelled")
    if figures.unpublished:
        what = "file breaks" if figures.unpublished == 1 else "files break"
        parts.append(f"{figures.unpublished} {what} a rule of the channel, see results.csv")
    parts.append(f"{figures.seconds:.1f} s, {figures.images_per_second:.2f} images/s")
    return ", ".join(parts)


def exit_status(batch: Batch) -> int:
    """Return 4 for a finished batch with failed images, else 0."""
    return EXIT_FAILED_IMAGES if batch.state == BatchState.FINISHED and batch.failed else 0
