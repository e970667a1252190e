"""``atelier run``: the whole way on this machine, from a folder of photos to a folder of renditions."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from producer.local_worker import local_worker
from producer.output.export import export_batch, prepare_folder
from producer.output.progress import Show
from producer.submit import Order, Submission, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import AtelierError, DatabaseUnavailable
from shared.queue import batches
from shared.queue.batches import Batch, BatchState
from shared.queue.fleet import is_any_alive

POLL_SECONDS = 0.2
STILL_SECONDS = 10.0
"""A batch of which nothing was done for so long stands still, and whoever waits wonders why."""

PATIENCE_SECONDS = 60.0
"""A database that is away for less, to be restarted for instance, ends no command."""


def run_batch(
    session: Session, order: Order, out: Path, show: Show, *, announce: Callable[[Submission], None]
) -> tuple[Batch, Path]:
    """Submit an order, work until it is done, and write it to ``out``.

    Returns the finished batch and the gallery's path. When interrupted, what is done is written too
    before KeyboardInterrupt goes on; the same call later goes on with the same batch.
    """
    prepare_folder(out)
    with local_worker(session.settings.home / "log" / "worker.log") as worker:
        submission = submit_batch(session, order, accepted=show)
        announce(submission)
        try:
            batch = wait_for_batch(session, submission.batch, show, check=worker.check)
        except KeyboardInterrupt:
            worker.stop()
            _export_partly(session, submission.batch, out)
            raise
    return batch, export_batch(session, batch, out)


def wait_for_batch(
    session: Session,
    batch: Batch,
    show: Show,
    *,
    check: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Batch:
    """Return a batch when it is no longer running; ``check`` is called now and then and may raise.

    ``tell`` is told, once, why a batch stands still. Raises DatabaseUnavailable when Postgres stays away.
    """
    seen = moved = time.monotonic()
    done, told = batch.done, set[str]()
    while batch.state == BatchState.RUNNING:
        check()
        time.sleep(POLL_SECONDS)
        try:
            batch = _look_again(session, batch)
            if seen - moved > STILL_SECONDS:
                moved = seen
                if (reason := _why_still(session, batch)) not in told:
                    told.add(reason)
                    tell(reason)
        except DatabaseUnavailable:
            if time.monotonic() - seen > PATIENCE_SECONDS:
                raise
        else:
            seen = time.monotonic()
            show(batch)
            if batch.done != done:
                done, moved = batch.done, seen
    return batch


def _why_still(session: Session, batch: Batch) -> str:
    """Say why nothing is done of a batch, as far as that is known."""
    if batch.paused:
        return f"the batch is paused: `atelier resume {batch.id}` lets it go on, unless it waits for a proof"
    with transaction(session.engine) as connection:
        if not is_any_alive(connection):
            return "no worker is alive: `atelier worker` starts one"
    return "nothing was done for a while: others' work may come first, or its sources do not answer"


def _look_again(session: Session, batch: Batch) -> Batch:
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        return batches.get_batch(connection, batch.id)


def _export_partly(session: Session, batch: Batch, out: Path) -> None:
    """Write what is done; an error here must not hide that the user interrupted."""
    try:
        export_batch(session, _look_again(session, batch), out)
    except AtelierError:
        return
