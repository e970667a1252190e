"""Commands for the life of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from producer.output.names import NAMES
from producer.output.out_folder import out_path, prepared_folder
from producer.output.summary import as_json as batch_json
from producer.output.summary import as_line, exit_status
from shared.context import open_session
from shared.errors import UsageError
from shared.logs import configure_logs
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.proofs.proofs import ProofState, proof_of, waiting_numbers
from shared.queue import actions, batches, jobs
from shared.queue.batches import Batch, BatchState, IntakeState
from shared.settings import Settings, load_settings
from shared.terminal import JsonOption, note, print_json, print_line

BATCHES_LISTED = 20

Merchant = Annotated[str, typer.Option("--merchant", "-m", help="Merchant to act for.")]
Out = Annotated[Path, typer.Option("--out", "-o", parser=out_path, metavar="FOLDER", help="Folder to write to.")]
Names = Annotated[
    str | None,
    typer.Option(
        "--names",
        help="Names of the renditions: sku (SKU-POSITION-style) or source (as the photos). By default sku for a "
        "manifest, source for folders and archives of photos.",
    ),
]
BatchId = Annotated[str, typer.Argument(help="Id of the batch, or its first characters.")]


def with_merchant(command: str, merchant: str) -> str:
    """Return a command to type next, with its merchant unless it is the default one."""
    return command if merchant == LOCAL_MERCHANT else f"{command} --merchant {quote(merchant)}"


def register(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (status, failures, cancel, pause, resume, retry, download):
        app.command()(command)


def status(
    batch: Annotated[str | None, typer.Argument(help="Id of the batch, or its first characters.")] = None,
    merchant: Merchant = LOCAL_MERCHANT,
    before: Annotated[str | None, typer.Option(help="List batches older than this one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a batch, or list the newest. Exits 4 if the batch finished with failed images."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        if batch is None:
            oldest = batches.find_batch(connection, mine, before).id if before else None
            found = batches.list_batches(connection, mine, limit=BATCHES_LISTED, before=oldest)
        else:
            found = [batches.find_batch(connection, mine, batch)]
        proof = proof_of(connection, found[0].id) if batch is not None else None
        approvals = waiting_numbers(connection, [one.id for one in found if one.paused])
    if as_json:
        documents = [batch_json(one) | {"proof": approvals.get(one.id)} for one in found]
        print_json(documents if batch is None else documents[0])
    else:
        for one in found:
            state = "needs approval" if one.id in approvals else _state(one)
            print_line(f"{one.id}  {state:<9}  {as_line(one)}  {one.name}")
            if batch is None and one.id in approvals:
                note(
                    f"see, approve or reject its sample: atelier proofs show {approvals[one.id]} --merchant {merchant}"
                )
            if one.notice:
                note(f"{one.id}: {one.notice}")
        if batch is None and len(found) == BATCHES_LISTED:
            note(f"older batches: {with_merchant(f'atelier status --before {found[-1].id}', merchant)}")
        if proof is not None and proof.state == ProofState.WAITING:
            show = with_merchant(f"atelier proofs show {proof.id}", merchant)
            approve = with_merchant(f"atelier proofs approve {proof.id}", merchant)
            reject = with_merchant(f"atelier proofs reject {proof.id}", merchant)
            note(f"a sample needs your approval, since {proof.why}. See it: {show}")
            note(f"then: {approve}, or: {reject}")
        elif proof is not None and proof.state == ProofState.UNDECIDED:
            note(
                "waiting for the upload to finish; a sample may need your approval. If the upload broke off, repeat it"
            )
        if not found:
            note(f"merchant {merchant} has no batches yet: create one with `atelier submit`; --merchant names another")
    raise typer.Exit(exit_status(found[0]) if batch is not None else 0)


def cancel(batch: BatchId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Cancel a batch. Finished images are kept."""
    with open_session(configured(), lasting=False) as session:
        cancelled = actions.cancel_batch(session.engine, operator(merchant), batch)
    _show(cancelled, as_json=as_json)


def pause(batch: BatchId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Pause a batch. Chunks in progress are finished."""
    with open_session(configured(), lasting=False) as session:
        paused = actions.pause_batch(session.engine, operator(merchant), batch)
    _show(paused, as_json=as_json)


def resume(batch: BatchId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Resume a paused batch."""

    with open_session(configured(), lasting=False) as session:
        resumed = actions.resume_batch(session.engine, session.broker, operator(merchant), batch)
    warn(resumed.warnings)
    _show(resumed.batch, as_json=as_json)


def retry(batch: BatchId, merchant: Merchant = LOCAL_MERCHANT, as_json: JsonOption = False) -> None:
    """Retry the failed images of a batch."""

    with open_session(configured()) as session:
        retried = actions.retry_batch(session.engine, session.broker, operator(merchant), batch)
    warn(retried.warnings)
    note(f"{retried.images} images queued again{_not_retried(retried)}")
    _show(retried.batch, as_json=as_json)


def _not_retried(retried: actions.Continued) -> str:
    """Return why failed images, or all, were not queued again."""
    if retried.batch.failed and retried.batch.state == BatchState.RUNNING and retried.images:
        return f"; {retried.batch.failed} stay failed, since their rows are invalid"
    if retried.batch.failed and not retried.images:
        return (
            f": the rows of all {retried.batch.failed} failed images are invalid. Correct errors.csv of "
            f"`atelier download {retried.batch.id} --out DIR`, and submit it"
        )
    return "" if retried.images else ": no image of this batch has failed"


def failures(
    batch: BatchId,
    merchant: Merchant = LOCAL_MERCHANT,
    after: Annotated[int, typer.Option(min=0, help="Number of the last image of the previous page.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Largest number of images.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the failed images of a batch, with the reasons."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = batches.find_batch(connection, mine, batch)
        page = jobs.failed_jobs(connection, found.id, after=after - 1, limit=limit)
    following = page[-1].ordinal + 1 if len(page) == limit else None
    if as_json:
        print_json({"failed": found.failed, "failures": [asdict(one) for one in page], "after": following})
        return
    for one in page:
        print_line(f"line {one.line}: {one.sku}: {one.image}: {one.message} ({one.code})")
    if following is not None:
        note(f"more: {with_merchant(f'atelier failures {found.id} --after {following}', merchant)}")
    if not page:
        note(f"{found.failed} images of this batch failed" + (", none after this number" if found.failed else ""))


def download(
    batch: BatchId,
    out: Out,
    names: Names = None,
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Download a batch to a folder: renditions, results, errors and a gallery."""
    from producer.output.export import export_batch  # here, so that `status` does not load it

    require_names(names)
    with prepared_folder(out), open_session(configured(), lasting=False) as session:
        with scope(session.engine, merchant) as (connection, mine):
            found = batches.find_batch(connection, mine, batch)
        gallery = export_batch(session, found, out, names)
    if as_json:
        print_json(batch_json(found) | {"out": str(out), "gallery": str(gallery)})
    else:
        if found.succeeded < found.total:
            note(f"{found.succeeded} of {found.total} images are styled; results.csv says what became of the others")
        print_line(f"gallery: {gallery.resolve()}")
    raise typer.Exit(exit_status(found))


def require_names(names: str | None) -> None:
    """Raise UsageError unless these are ways of naming renditions."""
    if names is not None and names not in NAMES:
        raise UsageError(f"names {names!r} are unknown: choose {' or '.join(NAMES)}")


def configured() -> Settings:
    """Read the settings, and configure logging by them."""
    found = load_settings()
    configure_logs(found.log_level, found.log_format)
    return found


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on standard error."""
    for warning in warnings:
        note(f"warning: {warning}")


def _state(batch: Batch) -> str:
    if batch.state == BatchState.RUNNING and batch.paused:
        return "paused"
    return batch.state if batch.intake == IntakeState.SEALED else batch.intake


def _show(batch: Batch, *, as_json: bool) -> None:
    if as_json:
        print_json(batch_json(batch))
    else:
        print_line(f"{batch.id}  {_state(batch)}  {as_line(batch)}")
