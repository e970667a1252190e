"""Show progress of a batch on standard error: a bar on a terminal, otherwise a line from time to time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from shared.queue.batches import Batch, IntakeState

LINE_SECONDS = 10.0

Show = Callable[[Batch], None]


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Show]:
    """Yield a function to call with the current batch; ``quiet`` shows nothing."""
    if quiet:
        yield lambda batch: None
    elif sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task("styling", total=None, rate="")
            yield lambda batch: _update(bar, task, batch)
    else:
        yield _Lines()


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _update(bar: Progress, task: TaskID, batch: Batch) -> None:
    rate = f"{batch.done / batch.seconds:.2f} images/s" if batch.done and batch.seconds else ""
    failed = f", {batch.failed} failed" if batch.failed else ""
    total = batch.total if batch.intake == IntakeState.SEALED else None
    bar.update(task, completed=batch.done, total=total, rate=rate + failed)


class _Lines:
    """Print a line every ``LINE_SECONDS`` while something changes."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LINE_SECONDS

    def __call__(self, batch: Batch) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LINE_SECONDS
        sys.stderr.write(progress_line(batch) + "\n")


def progress_line(batch: Batch) -> str:
    """Return the progress of a batch as a line, with the remaining time if it is known."""
    total = batch.total if batch.intake == IntakeState.SEALED else f"the first {batch.total}"
    parts = [f"{batch.done} of {total} images"]
    if batch.failed:
        parts.append(f"{batch.failed} failed")
    if batch.done and batch.seconds:
        rate = batch.done / batch.seconds
        parts.append(f"{rate:.2f} images/s")
        if batch.intake == IntakeState.SEALED:
            parts.append(f"about {(batch.total - batch.done) / rate:.0f} s to go")
    return ", ".join(parts)
