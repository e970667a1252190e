"""What becomes of the jobs in a worker's hands, and how that is recorded: a page of them at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from shared import jobs, renditions, reviews
from shared.batches import Batch, Counts
from shared.jobs import Failed, PutBack
from shared.renditions import NewRendition, RenditionKey


@dataclass(frozen=True)
class Succeeded:
    """A job whose renditions are stored; ``new`` are those made just now, the others existed."""

    ordinal: int
    keys: Sequence[RenditionKey]
    new: Sequence[NewRendition]


Outcome = Succeeded | Failed | PutBack


def record(connection: Connection, batch: Batch, outcomes: Collection[Outcome]) -> Counts:
    """Write outcomes to renditions and jobs, in this order of locks; return what the batch's counters grow by.

    Only jobs not yet terminal change, and exactly those are counted.
    """
    succeeded, reused = _succeed(connection, batch, [one for one in outcomes if isinstance(one, Succeeded)])
    failed = jobs.fail_jobs(connection, batch.id, [one for one in outcomes if isinstance(one, Failed)])
    jobs.put_back_jobs(connection, batch.id, [one for one in outcomes if isinstance(one, PutBack)])
    return Counts(succeeded=succeeded, failed=failed, reused=reused)


def _succeed(connection: Connection, batch: Batch, done: Collection[Succeeded]) -> tuple[int, int]:
    """Insert renditions, mark the jobs, link them; return how many succeeded and how many of them reused.

    A rendition found earlier may have been pruned since: its job then simply stays queued.
    """
    ids = renditions.add_renditions(connection, batch.merchant_id, [new for one in done for new in one.new])
    if others := {key for one in done for key in one.keys} - ids.keys():
        ids |= renditions.hold_renditions(connection, batch.merchant_id, others)
    whole = [one for one in done if all(key in ids for key in one.keys)]
    counts = jobs.succeed_jobs(connection, batch.id, {one.ordinal: not one.new for one in whole})
    links: Mapping[tuple[int, str], int] = {(one.ordinal, key.preset): ids[key] for one in whole for key in one.keys}
    renditions.link_jobs(connection, batch.id, links)
    if batch.gate is not None and batch.gate.rule == "hold":
        reviews.hold_back(connection, batch.id, batch.merchant_id, batch.gate, [one.ordinal for one in whole])
    return counts
