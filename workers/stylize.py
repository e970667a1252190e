"""The styling procedure: one chunk from claim to release.

claim (lease) → fetch → decode → look up identical renditions → generator → protect and blend →
encode per preset → put objects → finish jobs, renditions and counters in one transaction → release

A worker runs several of these at once, one per slot, over the same lanes: while one chunk is on the
device, the next is fetched and decoded, and the previous encoded and stored.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import structlog
import torch
from torch import Tensor

from shared import chunks, jobs
from shared.chunks import Claim, Failed, Outcome, PutBack, Succeeded
from shared.database import transaction
from shared.dispatch import dispatch
from shared.errors import Conflict, ImageError, LeaseLost, NotAllowed, SourceUnavailable, Unavailable
from shared.jobs import Job
from shared.model_versions import ModelVersion, get_version
from shared.renditions import NewRendition, RenditionKey, find_renditions
from shared.tables import QUEUES
from workers.images.background import paint_weight
from workers.images.compose import Pixels, compose, shrink, working_size
from workers.images.decode import decode
from workers.images.encode import encode
from workers.images.photo import Photo
from workers.lanes import Canvas
from workers.lease import Lease
from workers.studio import Studio

PAGE_IMAGES = 8
"""Images finished in one transaction."""

PAGE_PIXELS = 25_000_000
"""Decoded pixels at which a slot completes what it has in hand before it decodes more."""

DELAY_SECONDS = 5.0
"""Before a job's second attempt; each further delay is twice as long."""

SOURCE_PATIENCE_SECONDS = 1800.0
"""A source host that has not answered a job for so long fails it."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Prepared:
    """A job whose source is decoded. ``keys`` are its renditions, of which ``missing`` must be made."""

    job: Job
    keys: Sequence[RenditionKey]
    missing: Sequence[RenditionKey]
    photo: Photo
    small: Pixels
    weight: Pixels
    painted: Future[Tensor] | None


def stylize_chunk(studio: Studio, chunk_id: int) -> None:
    """Style the jobs of a chunk that are still queued, then dispatch what comes next.

    A chunk that somebody else has, or that is over, is left alone: messages may arrive twice.
    """
    studio.breaker.wait()
    if studio.draining.is_set():
        return
    try:
        with transaction(studio.engine) as connection:
            claim = chunks.claim(connection, chunk_id, studio.worker_id, studio.settings.lease_seconds)
    except Unavailable as error:
        studio.breaker.failed(error)
        return
    if claim is None:
        return
    try:
        with studio.watchdog.watching(claim.hold):
            _work(studio, claim)
        with transaction(studio.engine) as connection:
            chunks.release(connection, claim)
    except LeaseLost as error:
        log.warning("lease_lost", chunk=chunk_id, error=str(error))
    except Exception as error:  # a service, or what nobody foresaw: no image is to blame
        studio.breaker.failed(error)
        _give_back(studio, claim)
    else:
        studio.breaker.succeeded()
        _dispatch(studio)


def _work(studio: Studio, claim: Claim) -> None:
    """Style a claimed chunk page by page, until it is done, cancelled, or the worker drains."""
    lease = Lease(studio.engine, studio.watchdog, claim, studio.settings.lease_seconds)
    with transaction(studio.engine) as connection:
        version = get_version(connection, claim.batch.model_version_id)
        queued = jobs.queued_jobs(connection, claim.batch.id, claim.first_ordinal, claim.last_ordinal)
    for page in _pages(queued, 1 if claim.careful else PAGE_IMAGES):
        with _alone(studio, lease, page[0]) if claim.careful else nullcontext():
            if studio.draining.is_set():
                return
            outcomes = _stylize_page(studio, lease, version, page)
            with transaction(studio.engine) as connection:
                if not chunks.finish(connection, claim, outcomes, lease.seconds):
                    return
        lease.progress()


@contextmanager
def _alone(studio: Studio, lease: Lease, job: Job) -> Iterator[None]:
    """Record the job of a careful redo before it is touched; no other redo of this process has one meanwhile.

    So a death of the process blames one job. Waiting counts as progress: whoever is in is watched too.
    """
    while not studio.alone.acquire(timeout=1.0):
        lease.progress()
    try:
        with transaction(studio.engine) as connection:
            chunks.take_in_hand(connection, lease.claim, job.ordinal, lease.seconds)
        yield
    finally:
        studio.alone.release()


def _give_back(studio: Studio, claim: Claim) -> None:
    """Release a chunk whose service failed, to be tried after the breaker's delay; wait for the database if need be."""
    while True:
        try:
            with transaction(studio.engine) as connection:
                chunks.release(connection, claim, delay_seconds=studio.breaker.seconds)
            return
        except LeaseLost:
            return
        except Unavailable as error:
            studio.breaker.failed(error)
        if studio.draining.is_set():
            return  # the lease expires by itself
        studio.breaker.wait()


def _dispatch(studio: Studio) -> None:
    """Send what comes next. The chunk is done and stays so if this fails: the sweep sends later."""
    try:
        dispatch(studio.engine, studio.broker)
    except Unavailable as error:
        log.warning("dispatch_failed", error=str(error))


def _pages(queued: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    for start in range(0, len(queued), size):
        yield queued[start : start + size]


def _stylize_page(studio: Studio, lease: Lease, version: ModelVersion, page: Sequence[Job]) -> list[Outcome]:
    """Bring the jobs of a page to their outcomes. An image's own error ends only that image.

    A worker that drains leaves out what it has not begun.
    """
    outcomes: list[Outcome] = []
    in_hand: list[Prepared] = []
    for job in page:
        if studio.draining.is_set():
            break
        try:
            prepared = _prepare(studio, lease.claim, version, job)
        except Exception as error:
            outcomes.append(_refused(job, error))
            lease.progress()  # a host may have taken its time to fail
            continue
        if isinstance(prepared, Succeeded):
            outcomes.append(prepared)
        else:
            in_hand.append(prepared)
        lease.progress()
        if sum(one.photo.width * one.photo.height for one in in_hand) >= PAGE_PIXELS:
            outcomes += _complete_all(studio, lease, in_hand)
            in_hand = []
    return outcomes + _complete_all(studio, lease, in_hand)


def _complete_all(studio: Studio, lease: Lease, in_hand: Sequence[Prepared]) -> list[Outcome]:
    """Bring what is prepared to its outcomes, in order; what the lanes no longer paint is left out."""
    outcomes: list[Outcome] = []
    for prepared in in_hand:
        try:
            outcomes.append(_complete(studio, lease, prepared))
        except CancelledError:
            break
        except Exception as error:
            outcomes.append(_refused(prepared.job, error))
        lease.progress()
    return outcomes


def _refused(job: Job, error: Exception) -> Outcome:
    """What becomes of a job after an error; one that does not belong to it is raised again."""
    delay = DELAY_SECONDS * 2**job.attempts * random.uniform(0.5, 1.0)
    match error:
        case SourceUnavailable(counts=False):
            return PutBack(job.ordinal, max(delay, error.wait_seconds * random.uniform(1.0, 1.1)), attempts=0)
        case SourceUnavailable() if DELAY_SECONDS * (2**job.attempts - 1) < SOURCE_PATIENCE_SECONDS:
            return PutBack(job.ordinal, max(delay, error.wait_seconds))
        case ImageError() | SourceUnavailable():
            return Failed(job.ordinal, error.code, str(error), error.retryable)
        case Unavailable() | NotAllowed() | Conflict():
            raise error
    # A bug, or too little memory: that may pass, and is no reason to fail the neighbours.
    log.error("image_crashed", ordinal=job.ordinal, image=job.image.partition("?")[0], exc_info=error)
    if job.attempts == 0:
        return PutBack(job.ordinal, delay)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return Failed(
        job.ordinal, "internal_error", f"Atelier failed on this image ({what}): report it, or retry later", True
    )


def _prepare(studio: Studio, claim: Claim, version: ModelVersion, job: Job) -> Prepared | Succeeded:
    """Fetch and decode a source and submit it to the lanes, unless all its renditions exist."""
    data = studio.sources.fetch(claim.batch.merchant_id, job.source)
    source_sha256 = hashlib.sha256(data).hexdigest()
    rows = claim.batch.style_rows
    look_sha256 = job.look.digest({name: rows[name].sha256 for name in job.look.styles}, studio.settings.making)
    keys = [RenditionKey(source_sha256, look_sha256, version.trunk_sha256, p) for p in claim.batch.presets]
    with transaction(studio.engine) as connection:
        known = find_renditions(connection, claim.batch.merchant_id, keys)
    missing = [key for key in keys if key not in known]
    if not missing:
        return Succeeded(job.ordinal, keys, ())
    photo = decode(data, studio.limits)
    size = working_size(
        photo.width,
        photo.height,
        working_px=studio.settings.working_px,
        texture_scale=job.look.texture_scale,
    )
    small = shrink(photo.rgb, size)
    weight = paint_weight(small) if job.look.white == "keep" else np.full(small.shape[:2], 255, np.uint8)
    painted = None
    if job.look.strength > 0:
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)
        area = torch.from_numpy(weight)[None]
        canvas = Canvas(version.trunk_sha256, pixels, area, studio.rows.mix(job.look, rows))
        painted = studio.lanes.submit(canvas, priority=QUEUES.index(claim.batch.queue))
    return Prepared(job, keys, missing, photo, small, weight, painted)


def _complete(studio: Studio, lease: Lease, prepared: Prepared) -> Succeeded:
    """Wait for the paint, compose, encode and put what is missing."""
    look, photo = prepared.job.look, prepared.photo
    rgb = photo.rgb
    if prepared.painted is not None:
        painted = _painted(lease, prepared.painted).permute(1, 2, 0).numpy()
        rgb = compose(photo.rgb, prepared.small, painted, prepared.weight, strength=look.strength)
    new = []
    for key in prepared.missing:
        encoded = encode(rgb, photo.alpha, key.preset, quality=studio.settings.jpeg_quality)
        sha256 = hashlib.sha256(encoded.data).hexdigest()
        object_key = f"renditions/{lease.claim.batch.merchant_id}/{sha256[:2]}/{sha256}{encoded.extension}"
        studio.store.put(object_key, encoded.data, content_type=encoded.content_type)
        new.append(NewRendition(key, object_key, sha256, len(encoded.data), encoded.width, encoded.height))
    return Succeeded(prepared.job.ordinal, prepared.keys, new)


def _painted(lease: Lease, future: Future[Tensor]) -> Tensor:
    """Wait for a lane. Waiting for one's turn counts as progress: whose turn it is, is watched."""
    while True:
        try:
            return future.result(timeout=1.0)
        except TimeoutError:
            if future.done():
                return future.result()
            if not future.running():
                lease.progress()
