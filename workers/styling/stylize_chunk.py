"""The styling procedure: one chunk from claim to release.

claim (lease) → the pipeline (``pipeline.py``), which brings jobs to their outcomes → finish jobs,
renditions and counters, a page in one transaction → release → dispatch what comes next

A worker runs several of these at once, one per slot, over the same lanes: while one chunk is on the
device, the next is fetched and decoded, and the previous encoded and stored.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import structlog
from sqlalchemy import Connection
from structlog.contextvars import bound_contextvars

from shared.database import transaction
from shared.errors import DeviceLost, LeaseLost, ModelUnavailable, Unavailable
from shared.queue import chunks, jobs
from shared.queue.chunks import Claim
from shared.queue.dispatch import dispatch, under_way
from shared.queue.jobs import Failed, Job
from shared.queue.outcomes import Outcome
from workers.styling.context import WorkerContext
from workers.styling.lease import Lease
from workers.styling.pages import pages
from workers.styling.pipeline import outcomes
from workers.styling.record_outcomes import finish

FINISH_SECONDS = 1.0
"""So much work may have to be done again when a worker dies, besides what is in hand: it waits to be finished."""

MODEL_DELAY_SECONDS = 60.0
"""So long a chunk waits whose trunk or row is damaged: an admin must put it back."""

log = structlog.get_logger()


def stylize_chunk(context: WorkerContext, chunk_id: int) -> None:
    """Style the jobs of a chunk that are still queued, then dispatch what comes next.

    A chunk that somebody else has, or that is over, is left alone: messages may arrive twice.
    """
    context.breaker.wait()
    if context.draining.is_set():
        return
    try:
        with transaction(context.engine) as connection:
            claim = chunks.claim(connection, chunk_id, context.worker_id, context.settings.lease_seconds)
            queued = [] if claim is None else _queued(connection, claim)
    except Unavailable as error:
        _failed(context, error)
        return
    if claim is not None:
        with bound_contextvars(chunk=chunk_id, batch=str(claim.batch.id), merchant=claim.batch.merchant_id):
            _stylize(context, claim, queued)


def _stylize(context: WorkerContext, claim: Claim, queued: Sequence[Job]) -> None:
    """Style a claimed chunk, whatever becomes of it; each line of the log says which it is."""
    log.info("chunk_claimed", jobs=len(queued), lease=claim.lease, careful=claim.careful)
    try:
        with context.watchdog.watching(claim.lease_key):
            _work(context, claim, queued)
        with transaction(context.engine) as connection:
            chunks.release(connection, claim)
            room = under_way(connection).has_room
    except LeaseLost as error:
        log.warning("lease_lost", error=str(error))
        context.metrics.ended("lease_lost")
    except ModelUnavailable as error:  # no other version is to wait for it
        log.error("model_unavailable", error=str(error))
        _give_back(context, claim, MODEL_DELAY_SECONDS)
    except Exception as error:  # a service, or what nobody foresaw: no image is to blame
        _failed(context, error)
        if isinstance(error, DeviceLost):
            context.lose_device()
        _give_back(context, claim, context.breaker.seconds)
    else:
        log.info("chunk_released")
        context.metrics.ended("released")
        context.breaker.succeeded()
        if room:
            _dispatch(context)


def _failed(context: WorkerContext, error: Exception) -> None:
    context.metrics.service_failed()
    context.breaker.failed(error)


def _queued(connection: Connection, claim: Claim) -> list[Job]:
    return jobs.queued_jobs(connection, claim.batch.id, claim.first_ordinal, claim.last_ordinal)


def _work(context: WorkerContext, claim: Claim, queued: Sequence[Job]) -> None:
    """Style the jobs of a claimed chunk, until they are done, the batch is cancelled, or the worker drains."""
    lease = Lease(context.engine, context.watchdog, claim, context.settings.lease_seconds)
    if claim.careful:
        gathered = _carefully(context, lease, queued)
    else:
        gathered = pages(outcomes(context, lease, queued), seconds=FINISH_SECONDS)
    with closing(gathered):
        for page in gathered:
            with context.metrics.stage("finish"):
                recorded, going_on = finish(context.engine, claim, page, lease.seconds)
            context.metrics.finished(recorded)
            for one in recorded:
                if isinstance(one, Failed):
                    log.info("image_failed", ordinal=one.ordinal, code=one.code)
            if not going_on:
                return
            lease.progress()


def _carefully(context: WorkerContext, lease: Lease, queued: Sequence[Job]) -> Generator[Sequence[Outcome]]:
    """Yield what becomes of each job, which is alone in hand until that is recorded."""
    for job in queued:
        if context.draining.is_set():
            return
        with _alone(context, lease, job):
            yield list(outcomes(context, lease, [job]))


@contextmanager
def _alone(context: WorkerContext, lease: Lease, job: Job) -> Iterator[None]:
    """Record the job of a careful redo before it is touched; no other redo of this process has one meanwhile.

    So a death of the process blames one job. Waiting counts as progress: whoever is in is watched too.
    """
    while not context.alone.acquire(timeout=1.0):
        lease.progress()
    try:
        with transaction(context.engine) as connection:
            chunks.take_in_hand(connection, lease.claim, job.ordinal, lease.seconds)
        yield
    finally:
        context.alone.release()


def _give_back(context: WorkerContext, claim: Claim, delay_seconds: float) -> None:
    """Release a chunk whose service failed, to be tried after a delay; wait for the database if need be."""
    while True:
        try:
            with transaction(context.engine) as connection:
                chunks.release(connection, claim, delay_seconds=delay_seconds)
            context.metrics.ended("given_back")
            return
        except LeaseLost:
            return
        except Unavailable as error:
            _failed(context, error)
        if context.draining.is_set():
            return  # the lease expires by itself
        context.breaker.wait()


def _dispatch(context: WorkerContext) -> None:
    """Send what comes next. The chunk is done and stays so if this fails: the sweep sends later."""
    try:
        dispatch(context.engine, context.broker)
    except Unavailable as error:
        log.warning("dispatch_failed", error=str(error))
