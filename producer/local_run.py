"""Run ``atelier run``: from a folder of photos to a folder of renditions on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from producer.jobs_from_rows import folder_of, looks_of_row
from producer.local_processes import local_worker
from producer.manifest import ManifestRow
from producer.output.export import export_batch
from producer.output.names import usual_names
from producer.output.out_folder import OutFolder, Target, prepare_folder
from producer.output.progress import Show
from producer.output.rendition_names import RenditionNames
from producer.source_intake import local_path
from producer.submit import Order, Submission, submit_batch
from shared.context import Session
from shared.database import transaction
from shared.errors import AtelierError, DatabaseUnavailable, InvalidInput, ManifestError
from shared.merchants.presets import pin_presets
from shared.merchants.scope import scope
from shared.preset_files import output_files, output_name
from shared.presets import Preset
from shared.proofs.proofs import ProofState, proof_of
from shared.queue import batches
from shared.queue.batches import Batch, BatchState
from shared.queue.fleet import is_any_alive

POLL_SECONDS = 0.2
STALLED_SECONDS = 10.0
"""Time without progress after which a waiting command explains why."""

Presets = tuple[Sequence[str], Mapping[str, Preset]]
"""Presets of a batch by name, and the rules of those that are not plain formats."""

PATIENCE_SECONDS = 60.0
"""Longest outage of the database, for example a restart, that a waiting command tolerates."""


def run_batch(
    session: Session,
    order: Order,
    out: Path,
    show: Show,
    *,
    announce: Callable[[Submission], None],
    names: str | None = None,
) -> tuple[Batch, Path]:
    """Submit an order, work until it is done, and write it to ``out``. ``names`` is one of ``NAMES``.

    Returns the finished batch and the gallery's path. On an interrupt the finished part is written before
    KeyboardInterrupt is raised again; the same call continues with the same batch later. One that comes when all is
    done changes nothing.
    """
    prepare_folder(out)
    folder = OutFolder(out)
    if not folder.is_empty:
        folder.require_free(expected_targets(order, _presets(session, order), names))
    with local_worker(session.settings.home / "log" / "worker.log") as worker:
        submission = submit_batch(session, order, accepted=show)
        announce(submission)
        try:
            batch = wait_for_batch(session, submission.batch, show, check=worker.check)
        except KeyboardInterrupt:
            worker.stop()
            batch = _look_again(session, submission.batch)
            if batch.state == BatchState.RUNNING:
                _export_partly(session, batch, out, names)
                raise
    return batch, export_batch(session, batch, out, names)


def _presets(session: Session, order: Order) -> Presets:
    """Return the presets that the order's batch will have, and their rules. Raises UsageError for an unknown one."""
    with scope(session.engine, order.merchant) as (connection, merchant):
        return pin_presets(connection, merchant, order.presets, styled=order.is_styled)


def expected_targets(order: Order, presets: Presets, names: str | None = None) -> Iterator[Target]:
    """Yield the renditions that an order will be written as, as far as its manifest can be read."""
    named = RenditionNames(names or usual_names(order.manifest.columns))
    try:
        for row in order.manifest.rows():
            yield from _targets_of_row(order, row, named, presets)
    except ManifestError:  # where it breaks off: the submission says so, and takes what came before
        return


def _targets_of_row(order: Order, row: ManifestRow, named: RenditionNames, presets: Presets) -> Iterator[Target]:
    """Yield the renditions of a row: none where it is bad, but its place among those of its sku counts."""
    looks, is_good = list(order.looks), row.error is None
    if is_good:
        try:
            looks = looks_of_row(row.look, order.looks)
        except InvalidInput:
            is_good = False
    source = local_path(row.source)
    for look in looks:
        folder = "" if len(order.looks) == 1 else f"{folder_of(look)}/"
        name = named.name((row.line, row.image, row.sku), folder_of(look), folder + row.output).name
        for label, extension in output_files(*presets) if is_good else ():
            yield Target(output_name(name, label, extension, presets[0]), source=source)


def wait_for_batch(
    session: Session,
    batch: Batch,
    show: Show,
    *,
    check: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Batch:
    """Return a batch when it is no longer running. ``check`` is called regularly and may raise.

    ``tell`` is called, once, with the reason why a batch is stalled. Raises DatabaseUnavailable after a long outage.
    """
    answered = progressed = time.monotonic()
    done, reported = batch.done, set[str]()
    while batch.state == BatchState.RUNNING:
        check()
        time.sleep(POLL_SECONDS)
        try:
            batch = _look_again(session, batch)
            if answered - progressed > STALLED_SECONDS:
                progressed = answered
                if (reason := _why_stalled(session, batch)) not in reported:
                    reported.add(reason)
                    tell(reason)
        except DatabaseUnavailable:
            if time.monotonic() - answered > PATIENCE_SECONDS:
                raise
        else:
            answered = time.monotonic()
            show(batch)
            if batch.done != done:
                done, progressed = batch.done, answered
    return batch


def _why_stalled(session: Session, batch: Batch) -> str:
    """Return why a batch is stalled, if it is known."""
    if batch.paused:
        with transaction(session.engine, merchant=batch.merchant_id) as connection:
            proof = proof_of(connection, batch.id)
        if proof is not None and proof.state == ProofState.WAITING:
            return f"the batch waits until you approve its sample: `atelier proofs show {proof.id}`"
        return f"the batch is paused: `atelier resume {batch.id}` resumes it"
    with transaction(session.engine) as connection:
        if not is_any_alive(connection):
            return "no worker is running: start one with `atelier worker`"
    return "no progress for a while: other work may come first, or the sources do not answer"


def _look_again(session: Session, batch: Batch) -> Batch:
    with transaction(session.engine, merchant=batch.merchant_id) as connection:
        return batches.get_batch(connection, batch.id)


def _export_partly(session: Session, batch: Batch, out: Path, names: str | None) -> None:
    """Write the finished part. An error here must not hide the user's interrupt."""
    try:
        export_batch(session, batch, out, names)
    except AtelierError:
        return
