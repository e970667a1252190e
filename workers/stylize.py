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
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import structlog
import torch
from torch import Tensor

from shared import chunks, jobs
from shared.chunks import Claim, Failed, Outcome, PutBack, Succeeded
from shared.database import transaction
from shared.dispatch import dispatch
from shared.errors import AtelierError, ImageError, LeaseLost, NotAllowed, SourceUnavailable, Unavailable
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
from workers.studio import Studio

PAGE_IMAGES = 8
"""Images that a slot has in hand at once; finished in one transaction."""

SOURCE_DELAY_SECONDS = 5.0
SOURCE_ATTEMPTS = 6

log = structlog.get_logger()


@dataclass(frozen=True)
class Prepared:
    """A job whose source is decoded. ``keys`` are its renditions, of which ``missing`` must be made."""

    job: Job
    source_sha256: str
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
        if claim is None:
            return
        with studio.watchdog.watching(chunk_id):
            _work(studio, claim)
        dispatch(studio.engine, studio.broker)
        studio.breaker.succeeded()
    except LeaseLost as error:
        log.warning("lease_lost", chunk=chunk_id, error=str(error))
    except (Unavailable, NotAllowed) as error:  # a store that refuses our key may be mended, like one that is down
        studio.breaker.failed(error)


def _work(studio: Studio, claim: Claim) -> None:
    """Style a claimed chunk page by page and give it back, whatever happens in between."""
    try:
        with transaction(studio.engine) as connection:
            version = get_version(connection, claim.batch.model_version_id)
            queued = jobs.queued_jobs(connection, claim.batch.id, claim.first_ordinal, claim.last_ordinal)
        for page in _pages(queued, 1 if claim.careful else PAGE_IMAGES):
            if studio.draining.is_set():
                break
            if claim.careful:
                with transaction(studio.engine) as connection:
                    chunks.renew(connection, claim, studio.settings.lease_seconds, in_hand=page[0].ordinal)
            outcomes = _stylize_page(studio, claim, version, page)
            with transaction(studio.engine) as connection:
                if not chunks.finish(connection, claim, outcomes, studio.settings.lease_seconds):
                    break
            studio.watchdog.progress(claim.chunk_id)
    except LeaseLost:
        raise
    except AtelierError:
        _release(studio, claim)
        raise
    _release(studio, claim)


def _release(studio: Studio, claim: Claim) -> None:
    with transaction(studio.engine) as connection:
        chunks.release(connection, claim)


def _pages(queued: Sequence[Job], size: int) -> Iterator[Sequence[Job]]:
    for start in range(0, len(queued), size):
        yield queued[start : start + size]


def _stylize_page(studio: Studio, claim: Claim, version: ModelVersion, page: Sequence[Job]) -> list[Outcome]:
    """Bring every job of a page to its outcome. An image's own error ends only that image."""
    outcomes: list[Outcome] = []
    in_hand: list[Prepared] = []
    for job in page:
        try:
            prepared = _prepare(studio, claim, version, job)
        except (ImageError, SourceUnavailable) as error:
            outcomes.append(_refused(job, error))
            continue
        if isinstance(prepared, Succeeded):
            outcomes.append(prepared)
        else:
            in_hand.append(prepared)
    for prepared in in_hand:
        try:
            outcomes.append(_complete(studio, claim, prepared))
        except ImageError as error:
            outcomes.append(_refused(prepared.job, error))
        studio.watchdog.progress(claim.chunk_id)
    return outcomes


def _refused(job: Job, error: AtelierError) -> Outcome:
    """A job that failed, or that waits because its source does not answer."""
    if error.retryable and job.attempts + 1 < SOURCE_ATTEMPTS:
        return PutBack(job.ordinal, SOURCE_DELAY_SECONDS * 2**job.attempts * random.uniform(0.5, 1.0))
    return Failed(job.ordinal, error.code, str(error), error.retryable)


def _prepare(studio: Studio, claim: Claim, version: ModelVersion, job: Job) -> Prepared | Succeeded:
    """Fetch and decode a source and submit it to the lanes, unless all its renditions exist."""
    data = studio.sources.fetch(job.source)
    source_sha256 = hashlib.sha256(data).hexdigest()
    rows = claim.batch.style_rows
    look_sha256 = job.look.digest({name: rows[name].sha256 for name in job.look.styles})
    keys = [RenditionKey(source_sha256, look_sha256, version.trunk_sha256, p) for p in claim.batch.presets]
    with transaction(studio.engine) as connection:
        known = find_renditions(connection, claim.batch.merchant_id, keys)
    missing = [key for key in keys if key not in known]
    if not missing:
        return Succeeded(job.ordinal, keys, (), source_sha256)
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
    return Prepared(job, source_sha256, keys, missing, photo, small, weight, painted)


def _complete(studio: Studio, claim: Claim, prepared: Prepared) -> Succeeded:
    """Wait for the paint, compose, encode and put what is missing."""
    look, photo = prepared.job.look, prepared.photo
    rgb = photo.rgb
    if prepared.painted is not None:
        painted = prepared.painted.result().permute(1, 2, 0).numpy()
        rgb = compose(photo.rgb, prepared.small, painted, prepared.weight, strength=look.strength)
    new = []
    for key in prepared.missing:
        encoded = encode(rgb, photo.alpha, key.preset, quality=studio.settings.jpeg_quality)
        sha256 = hashlib.sha256(encoded.data).hexdigest()
        object_key = f"renditions/{claim.batch.merchant_id}/{sha256[:2]}/{sha256}{encoded.extension}"
        studio.store.put(object_key, encoded.data, content_type=encoded.content_type)
        new.append(NewRendition(key, object_key, sha256, len(encoded.data), encoded.width, encoded.height))
    return Succeeded(prepared.job.ordinal, prepared.keys, new, prepared.source_sha256)
