"""Commands for failed images over all batches: list, show, replay, discard."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from producer.commands.batches import BatchId, Merchant, configured, warn
from shared.context import Session, open_session
from shared.database import read_clock, transaction
from shared.errors import UsageError
from shared.limits import MOST_DAYS, require_between
from shared.merchants.actors import operator
from shared.merchants.merchants import LOCAL_MERCHANT
from shared.merchants.scope import scope
from shared.operations import actions, dead_letters
from shared.operations.actions import Replayed
from shared.operations.dead_letters import FailureGroup, Filter
from shared.queue import batches
from shared.terminal import JsonOption, group, note, print_json, print_line

Whose = Annotated[
    str | None, typer.Option("--merchant", "-m", help="Only images of this merchant; all merchants by default.")
]
Of = Annotated[str | None, typer.Argument(help="Only images of this batch; needs --merchant.")]
Codes = Annotated[
    list[str] | None, typer.Option("--code", help="Only images with this error code; repeat for several.")
]
Days = Annotated[int, typer.Option("--older-than", min=0, help="Only batches accepted more than this many days ago.")]
Yes = Annotated[bool, typer.Option("--yes", help="Apply. Without it, only the number of images is shown.")]


def register(app: typer.Typer) -> None:
    """Register the commands."""
    letters = group(app, "dead-letters", "Failed images over all batches.")
    letters.command("list")(list_command)
    letters.command("show")(show)
    letters.command("replay")(replay)
    letters.command("discard")(discard)


def list_command(
    batch: Of = None, merchant: Whose = None, code: Codes = None, older_than: Days = 0, as_json: JsonOption = False
) -> None:
    """Count failed images by merchant, batch and error code."""
    with open_session(configured(), lasting=False) as session:
        found = _found(session, merchant, batch, code, older_than)
    if as_json:
        print_json([asdict(failure) for failure in found])
        return
    for failure in found:
        again = "" if failure.retryable == 0 else f", {failure.retryable} worth a retry"
        print_line(
            f"{failure.merchant}  {failure.batch}  {failure.code}  {failure.images} images{again}  {failure.name}"
        )
    _count(found)


def show(
    batch: BatchId,
    ordinal: Annotated[int, typer.Argument(min=0, help="Number of the image in its batch.")],
    merchant: Merchant = LOCAL_MERCHANT,
    as_json: JsonOption = False,
) -> None:
    """Show everything that is known of a failed image."""
    with open_session(configured(), lasting=False) as session, scope(session.engine, merchant) as (connection, mine):
        found = dead_letters.failed_image(connection, batches.find_batch(connection, mine, batch).id, ordinal)
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        print_line(f"{name:<10} {value}")


def replay(
    batch: Of = None,
    merchant: Whose = None,
    code: Codes = None,
    older_than: Days = 0,
    yes: Yes = False,
    as_json: JsonOption = False,
) -> None:
    """Retry failed images. Shows how many there are; --yes applies it."""
    with open_session(configured()) as session:
        found = _found(session, merchant, batch, code, older_than)
        done = actions.replay_failures(session.engine, session.broker, operator(), found) if yes else Replayed(0)
    warn(done.warnings)
    _tell(found, done.images, "queued again", yes=yes, as_json=as_json)


def discard(
    batch: Of = None,
    merchant: Whose = None,
    code: Codes = None,
    older_than: Days = 0,
    yes: Yes = False,
    as_json: JsonOption = False,
) -> None:
    """Give up failed images, which then count as cancelled. Shows how many there are; --yes applies it."""
    with open_session(configured(), lasting=False) as session:
        found = _found(session, merchant, batch, code, older_than)
        done = actions.discard_failures(session.engine, operator(), found) if yes else 0
    _tell(found, done, "given up", yes=yes, as_json=as_json)


def _found(
    session: Session, merchant: str | None, batch: str | None, codes: list[str] | None, older_than: int
) -> list[FailureGroup]:
    """Count the selected failures, within one merchant's rows if a merchant is given."""
    if batch is not None and merchant is None:
        raise UsageError("give the batch's merchant with --merchant")
    require_between("days of --older-than", older_than, 0, MOST_DAYS)
    before = read_clock(session.engine) - timedelta(days=older_than) if older_than else None
    if merchant is None:
        with transaction(session.engine) as connection:
            return dead_letters.failure_groups(connection, Filter(codes=tuple(codes or ()), before=before))
    with scope(session.engine, merchant) as (connection, mine):
        batch_id = batches.find_batch(connection, mine, batch).id if batch else None
        return dead_letters.failure_groups(connection, Filter(mine, batch_id, tuple(codes or ()), before))


def _count(found: list[FailureGroup]) -> None:
    by_code = Counter[str]()
    for failure in found:
        by_code[failure.code] += failure.images
    parts = ", ".join(f"{images} {code}" for code, images in by_code.most_common())
    note(
        f"{by_code.total()} images in {len({failure.batch for failure in found})} batches"
        + (f": {parts}" if parts else "")
    )


def _tell(found: list[FailureGroup], done: int, what: str, *, yes: bool, as_json: bool) -> None:
    images = sum(failure.images for failure in found)
    if as_json:
        print_json({"found": images, "batches": len({failure.batch for failure in found}), "done": done})
        return
    _count(found)
    if yes:
        note(f"{done} images {what}" + (f"; {images - done} rows are invalid and stay failed" if done < images else ""))
    elif images:
        note("Dry run. Add --yes to apply.")
