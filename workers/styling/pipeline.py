"""The overlapped pipeline: jobs go in, what becomes of each comes out.

fetch → look up identical renditions → prepare (decode) → paint → complete (blend, measure, encode, put)

Some photos are always prepared ahead of the one that is being completed, so that the device has work meanwhile.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError

from shared.database import transaction
from shared.look import Look
from shared.queue.chunks import Claim
from shared.queue.jobs import Job, PutBack
from shared.queue.outcomes import Outcome, Succeeded, outcome_of_error
from shared.queue.renditions import RenditionKey, find_renditions
from workers.mask.product_mask import mask_version
from workers.styling.complete import complete
from workers.styling.context import WorkerContext
from workers.styling.fetch import Fetched, fetch
from workers.styling.lease import Lease
from workers.styling.pages import pages
from workers.styling.prepare import Prepared, prepare
from workers.styling.product import PROTECTION_VERSION
from workers.styling.scene import SCENE_VERSION

LOOKUP_SECONDS = 0.1
"""How long fetched sources wait for others to be looked up with them."""

LOOKUP_BYTES = 2**25
"""Bytes of fetched sources that may wait for others."""

PIXELS_IN_HAND = 25_000_000
"""Decoded pixels at which a slot completes what it has in hand before it decodes more."""

WASTED_SECONDS = 15.0
"""How long a chunk may wait for sources that do not come before its other jobs go back to the queue.

Its merchant's hosts may all be silent, and others have work for this slot.
"""


def outcomes(context: WorkerContext, lease: Lease, queued: Sequence[Job]) -> Iterator[Outcome]:
    """Yield what becomes of jobs. A worker that drains leaves out what it has not begun."""
    in_hand: deque[Prepared] = deque()
    pixels = 0
    try:
        for prepared in _prepared(context, lease, queued):
            lease.progress()
            if not isinstance(prepared, Prepared):
                yield prepared
                continue
            in_hand.append(prepared)
            pixels += prepared.pixels
            while in_hand and (in_hand[0].is_painted or pixels >= PIXELS_IN_HAND):
                pixels -= in_hand[0].pixels
                yield _completed(context, lease, in_hand.popleft())
        while in_hand:
            yield _completed(context, lease, in_hand.popleft())
    except CancelledError:
        return  # the lanes paint no more


def _prepared(context: WorkerContext, lease: Lease, queued: Sequence[Job]) -> Iterator[Prepared | Outcome]:
    """Yield jobs prepared, or what became of them before that. An image's own error ends only that image."""
    digests = {look: _digest(context, lease.claim, look) for look in {job.look for job in queued}}
    fetched = _within_patience(fetch(context, lease, job, digests[job.look]) for job in queued)
    for page in pages(fetched, seconds=LOOKUP_SECONDS, full=_enough_bytes):
        known = _known(context, lease.claim, page)
        while page:
            job = page.pop(0)  # so that the bytes of each go once it is decoded
            if context.draining.is_set():
                return
            if not isinstance(job, Fetched):
                yield job
            elif all(key in known for key in job.keys):
                yield Succeeded(job.job.ordinal, job.keys, ())
            else:
                try:
                    prepared = prepare(context, lease.claim, job, known)
                except Exception as error:
                    yield outcome_of_error(lease.claim.batch, job.job, error)
                else:
                    yield prepared


def _within_patience(fetched: Iterable[Fetched | Outcome]) -> Iterator[Fetched | Outcome]:
    """Yield what was fetched, until ``WASTED_SECONDS`` have gone into sources that are to be tried again later."""
    wasted, began = 0.0, time.monotonic()
    for job in fetched:
        ended = time.monotonic()
        if isinstance(job, PutBack):
            wasted += ended - began
        yield job
        if wasted > WASTED_SECONDS:
            return
        began = time.monotonic()


def _known(context: WorkerContext, claim: Claim, page: Sequence[Fetched | Outcome]) -> set[RenditionKey]:
    """Return the keys of those renditions that exist already, rows and objects."""
    keys = [key for job in page if isinstance(job, Fetched) for key in job.keys]
    with context.metrics.stage("look_up"):
        with transaction(context.engine) as connection:
            stored = find_renditions(connection, claim.batch.merchant_id, keys)
        gone = context.store.missing(stored.values())
    return {key for key, object_key in stored.items() if object_key not in gone}


def _enough_bytes(page: Sequence[Fetched | Outcome]) -> bool:
    return sum(len(job.data) for job in page if isinstance(job, Fetched)) >= LOOKUP_BYTES


def _digest(context: WorkerContext, claim: Claim, look: Look) -> str:
    rows = {name: claim.batch.style_rows[name].sha256 for name in look.styles}
    gate = claim.batch.gate
    protection = {"mask": mask_version(), "protection": PROTECTION_VERSION} if look.needs_mask else {}
    scene = {"scene": SCENE_VERSION} if look.background else {}
    return look.digest(rows, {**context.making, **(gate.making if gate else {}), **protection, **scene})


def _completed(context: WorkerContext, lease: Lease, prepared: Prepared) -> Outcome:
    try:
        outcome: Outcome = complete(context, lease, prepared)
    except CancelledError:
        raise
    except Exception as error:
        outcome = outcome_of_error(lease.claim.batch, prepared.job, error)
    lease.progress()
    return outcome
