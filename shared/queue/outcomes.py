"""Decide the outcome of each job that a worker processes, and record outcomes a page at a time."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import Connection

from shared.errors import Conflict, ImageError, NotAllowed, SourceUnavailable, Unavailable
from shared.merchants.usage import Ended
from shared.quality import reviews
from shared.quality.gate import GateRule
from shared.queue import jobs, renditions
from shared.queue.batches import Batch, Counts
from shared.queue.jobs import Failed, Job, PutBack
from shared.queue.renditions import NewRendition, RenditionKey

DELAY_SECONDS = 5.0
"""Delay before a job's second attempt; each further delay is twice as long."""

SOURCE_PATIENCE_SECONDS = 1800.0
"""Time that a source host may leave a job unanswered before the job fails."""

WANTING_TIME = timedelta(days=1)
"""Time after a batch's acceptance in which its hosts may ask to be tried later. Afterwards that counts as no answer, so
that no batch lasts for ever."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Succeeded:
    """Job whose renditions are stored; ``new`` ones were just made, the others existed."""

    ordinal: int
    keys: Sequence[RenditionKey]
    new: Sequence[NewRendition]


Outcome = Succeeded | Failed | PutBack


def outcome_of_error(batch: Batch, job: Job, error: Exception) -> Outcome:
    """Return the outcome of a job after an error. An error that is not the job's own is raised again."""
    delay = DELAY_SECONDS * 2**job.attempts * random.uniform(0.5, 1.0)
    match error:
        case SourceUnavailable(counts=False) if batch.age_seconds < WANTING_TIME.total_seconds():
            return PutBack(job.ordinal, max(delay, error.wait_seconds * random.uniform(1.0, 1.1)), attempts=0)
        case SourceUnavailable() if DELAY_SECONDS * (2**job.attempts - 1) < SOURCE_PATIENCE_SECONDS:
            return PutBack(job.ordinal, max(delay, error.wait_seconds))
        case ImageError() | SourceUnavailable():
            return Failed(job.ordinal, error.code, str(error), error.retryable)
        case Unavailable() | NotAllowed() | Conflict():
            raise error
    # A bug, or too little memory: a second attempt may succeed, and the neighbours continue.
    log.error("image_crashed", ordinal=job.ordinal, image=job.image.partition("?")[0], exc_info=error)
    if job.attempts == 0:
        return PutBack(job.ordinal, delay)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return Failed(
        job.ordinal, "internal_error", f"Atelier failed on this image ({what}): report it, or retry later", True
    )


class Recorded(NamedTuple):
    """Increments of the batch's counters, and of its merchant's usage."""

    counts: Counts
    ended: Ended


def record(connection: Connection, batch: Batch, outcomes: Collection[Outcome]) -> Recorded:
    """Write outcomes to renditions and jobs, in this order of locks; return what the counters grow by.

    Only jobs that are not yet terminal change, and exactly those are counted.
    """
    counts, ended = _succeed(connection, batch, [one for one in outcomes if isinstance(one, Succeeded)])
    failed = jobs.fail_jobs(connection, batch.id, [one for one in outcomes if isinstance(one, Failed)])
    jobs.put_back_jobs(connection, batch.id, [one for one in outcomes if isinstance(one, PutBack)])
    return Recorded(replace(counts, failed=failed), replace(ended, failed=failed))


def _succeed(connection: Connection, batch: Batch, done: Collection[Succeeded]) -> Recorded:
    """Insert renditions, mark the jobs, link them; return the counts.

    A rendition found earlier may have been pruned since: then its job stays queued.
    """
    ids, inserted = renditions.add_renditions(connection, batch.merchant_id, [new for one in done for new in one.new])
    if others := {key for one in done for key in one.keys} - ids.keys():
        ids = ids | renditions.lock_renditions(connection, batch.merchant_id, others)
    whole = [one for one in done if all(key in ids for key in one.keys)]
    succeeded, reused = jobs.succeed_jobs(connection, batch.id, {one.ordinal: not one.new for one in whole})
    links: Mapping[tuple[int, str], int] = {(one.ordinal, key.label): ids[key] for one in whole for key in one.keys}
    renditions.link_jobs(connection, batch.id, links)
    if batch.gate is not None and batch.gate.rule == GateRule.HOLD:
        reviews.hold_back(connection, batch.id, batch.merchant_id, batch.gate, [one.ordinal for one in whole])
    unpublished = 0
    if batch.preset_rules:
        unpublished = renditions.count_unpublished(connection, batch.id, [one.ordinal for one in whole])
    styled, stored = _new_images(done, inserted)
    return Recorded(
        Counts(succeeded=succeeded, reused=reused, unpublished=unpublished),
        Ended(styled=styled, reused=succeeded - styled, bytes_stored=stored),
    )


def _new_images(done: Collection[Succeeded], inserted: Collection[RenditionKey]) -> tuple[int, int]:
    """Return how many jobs have a rendition that did not exist, and the bytes of these renditions.

    Of several jobs with the same photo and look, the first has it.
    """
    images, stored, unclaimed = 0, 0, set(inserted)
    for one in done:
        own = {new.key: new.bytes for new in one.new if new.key in unclaimed}
        unclaimed -= own.keys()
        images += bool(own)
        stored += sum(own.values())
    return images, stored
