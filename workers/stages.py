"""The stages of an image: each a generator or function that draws on the one before.

fetch → look up identical renditions → decode → generator → protect and blend → measure → encode per preset → put

Sources are fetched and looked up by the page, and some photos are always ahead of the one that is being
completed, so that the device has something to do meanwhile.
"""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog
import torch
from torch import Tensor

from shared.batches import Batch
from shared.chunks import Claim
from shared.database import transaction
from shared.errors import Conflict, ImageError, NotAllowed, SourceUnavailable, Unavailable
from shared.gate import Gate, Quality
from shared.jobs import Failed, Job, PutBack
from shared.look import Look
from shared.outcomes import Outcome, Succeeded
from shared.renditions import NewRendition, RenditionKey, find_renditions
from shared.tables import QUEUES
from workers.images.compose import Pixels, compose, working_size
from workers.images.decode import decode
from workers.images.effects import Effects, with_effects
from workers.images.encode import encode
from workers.images.photo import Photo
from workers.images.working import at_working_size
from workers.lanes import Canvas
from workers.lease import Lease
from workers.pages import pages
from workers.quality import measure
from workers.studio import Studio

LOOKUP_SECONDS = 0.1
"""So long fetched sources wait for others to be looked up with them."""

LOOKUP_BYTES = 2**25
"""So many bytes of fetched sources may wait for others."""

PIXELS_IN_HAND = 25_000_000
"""Decoded pixels at which a slot completes what it has in hand before it decodes more."""

BLENDS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the look's strength that are tried in turn where a gate blends."""

DELAY_SECONDS = 5.0
"""Before a job's second attempt; each further delay is twice as long."""

SOURCE_PATIENCE_SECONDS = 1800.0
"""A source host that has not answered a job for so long fails it."""

WANTING_TIME = timedelta(days=1)
"""A host that is well and only wants time may have so much of it, from when the batch was accepted: then its asking
for more counts as no answer, so that no batch lasts for ever."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Fetched:
    """A job whose source is in memory. ``keys`` are its renditions."""

    job: Job
    data: bytes
    keys: Sequence[RenditionKey]


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
    effects: Effects

    @property
    def pixels(self) -> int:
        """Pixels of the decoded photo."""
        return self.photo.width * self.photo.height

    @property
    def is_painted(self) -> bool:
        """Whether it can be completed without waiting."""
        return self.painted is None or self.painted.done()


def outcomes(studio: Studio, lease: Lease, queued: Sequence[Job]) -> Iterator[Outcome]:
    """Yield what becomes of jobs. A worker that drains leaves out what it has not begun."""
    in_hand: deque[Prepared] = deque()
    pixels = 0
    try:
        for prepared in _prepared(studio, lease, queued):
            lease.progress()
            if not isinstance(prepared, Prepared):
                yield prepared
                continue
            in_hand.append(prepared)
            pixels += prepared.pixels
            while in_hand and (in_hand[0].is_painted or pixels >= PIXELS_IN_HAND):
                pixels -= in_hand[0].pixels
                yield _completed(studio, lease, in_hand.popleft())
        while in_hand:
            yield _completed(studio, lease, in_hand.popleft())
    except CancelledError:
        return  # the lanes paint no more


def _prepared(studio: Studio, lease: Lease, queued: Sequence[Job]) -> Iterator[Prepared | Outcome]:
    """Yield jobs prepared, or what became of them before that. An image's own error ends only that image."""
    digests = {look: _digest(studio, lease.claim, look) for look in {job.look for job in queued}}
    fetched = (_fetched(studio, lease, job, digests[job.look]) for job in queued)
    for page in pages(fetched, seconds=LOOKUP_SECONDS, full=_enough_bytes):
        keys = [key for one in page if isinstance(one, Fetched) for key in one.keys]
        with studio.metrics.stage("look_up"):
            with transaction(studio.engine) as connection:
                found = find_renditions(connection, lease.claim.batch.merchant_id, keys)
            gone = studio.store.missing(found.values())
        known = {key for key, object_key in found.items() if object_key not in gone}
        while page:
            one = page.pop(0)  # so that the bytes of each go once it is decoded
            if studio.draining.is_set():
                return
            if not isinstance(one, Fetched):
                yield one
            elif all(key in known for key in one.keys):
                yield Succeeded(one.job.ordinal, one.keys, ())
            else:
                try:
                    prepared = _prepare(studio, lease.claim, one, known)
                except Exception as error:
                    yield outcome_of_error(lease.claim.batch, one.job, error)
                else:
                    yield prepared


def _enough_bytes(page: Sequence[Fetched | Outcome]) -> bool:
    return sum(len(one.data) for one in page if isinstance(one, Fetched)) >= LOOKUP_BYTES


def _completed(studio: Studio, lease: Lease, prepared: Prepared) -> Outcome:
    try:
        outcome: Outcome = _complete(studio, lease, prepared)
    except CancelledError:
        raise
    except Exception as error:
        outcome = outcome_of_error(lease.claim.batch, prepared.job, error)
    lease.progress()
    return outcome


def outcome_of_error(batch: Batch, job: Job, error: Exception) -> Outcome:
    """What becomes of a job after an error; one that does not belong to it is raised again."""
    delay = DELAY_SECONDS * 2**job.attempts * random.uniform(0.5, 1.0)
    match error:
        case SourceUnavailable(counts=False) if datetime.now(UTC) - batch.created_at < WANTING_TIME:
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


def _digest(studio: Studio, claim: Claim, look: Look) -> str:
    rows = {name: claim.batch.style_rows[name].sha256 for name in look.styles}
    gate = claim.batch.gate
    return look.digest(rows, {**studio.settings.making, **(gate.making if gate else {})})


def _fetched(studio: Studio, lease: Lease, job: Job, look_sha256: str) -> Fetched | Outcome:
    """Fetch a source and name the renditions it is to have."""
    claim = lease.claim
    try:
        with studio.metrics.stage("fetch"):
            data = studio.sources.fetch(claim.batch.merchant_id, job.source)
    except Exception as error:
        lease.progress()  # a host may have taken its time to fail
        return outcome_of_error(claim.batch, job, error)
    source_sha256 = hashlib.sha256(data).hexdigest()
    lease.progress()
    keys = [RenditionKey(source_sha256, look_sha256, claim.trunk_sha256, preset) for preset in claim.batch.presets]
    return Fetched(job, data, keys)


def _prepare(studio: Studio, claim: Claim, fetched: Fetched, known: Collection[RenditionKey]) -> Prepared:
    """Decode a source and submit it to the lanes."""
    job = fetched.job
    with studio.metrics.stage("decode"):
        photo = decode(fetched.data, studio.limits)
    size = working_size(
        photo.width,
        photo.height,
        working_px=studio.settings.working_px,
        texture_scale=job.look.texture_scale,
    )
    with studio.metrics.stage("prepare"):
        small, weight = at_working_size(photo, size, white=job.look.white)
    painted, effects = None, studio.rows.effects(job.look, claim.batch.style_rows)
    row = studio.rows.mix(job.look, claim.batch.style_rows)
    if job.look.strength > 0 and row is not None:
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)
        canvas = Canvas(claim.trunk_sha256, pixels, torch.from_numpy(weight)[None], row)
        painted = studio.lanes.submit(canvas, priority=QUEUES.index(claim.batch.queue))
    missing = [key for key in fetched.keys if key not in known]
    return Prepared(job, fetched.keys, missing, photo, small, weight, painted, effects)


def _complete(studio: Studio, lease: Lease, prepared: Prepared) -> Succeeded:
    """Wait for the paint, compose, encode and put what is missing."""
    photo = prepared.photo
    rgb, quality = photo.rgb, Quality(0.0, 0.0, 1.0, 0.0)
    if prepared.job.look.strength > 0:
        painted = None
        if prepared.painted is not None:
            with studio.metrics.stage("wait"):
                painted = _painted(lease, prepared.painted).permute(1, 2, 0).numpy()
        rgb, quality = _blended(studio, lease.claim.batch.gate, prepared, painted)
    new = []
    for key in prepared.missing:
        with studio.metrics.stage("encode"):
            encoded = encode(rgb, photo.alpha, key.preset, quality=studio.settings.jpeg_quality)
        sha256 = hashlib.sha256(encoded.data).hexdigest()
        object_key = f"renditions/{lease.claim.batch.merchant_id}/{sha256[:2]}/{sha256}{encoded.extension}"
        with studio.metrics.stage("put"):
            studio.store.put(object_key, encoded.data, content_type=encoded.content_type)
        new.append(NewRendition(key, object_key, sha256, len(encoded.data), encoded.width, encoded.height, quality))
    return Succeeded(prepared.job.ordinal, prepared.keys, new)


def _blended(studio: Studio, gate: Gate | None, prepared: Prepared, painted: Pixels | None) -> tuple[Pixels, Quality]:
    """Blend paint and photo, and measure that; a gate that blends takes strength back until its limits are kept."""
    photo, small, look = prepared.photo.rgb, prepared.small, prepared.job.look
    if prepared.effects or painted is None:
        with studio.metrics.stage("compose"):
            painted = with_effects(photo, small, painted, prepared.effects, scale=look.texture_scale)
        small = photo  # it has the photo's detail already
    strength = look.strength
    shares = BLENDS if gate is not None and gate.rule == "blend" else BLENDS[:1]
    for share in shares:
        with studio.metrics.stage("compose"):
            rgb = compose(photo, small, painted, prepared.weight, strength=share * strength)
        with studio.metrics.stage("measure"):
            quality = measure(photo, rgb, prepared.weight, share * strength)
        if gate is None or gate.passes(quality):
            break
    return rgb, quality


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
