"""First stage: fetch a job's source and name the renditions it is to have."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from shared.queue.jobs import Job
from shared.queue.outcomes import Outcome, outcome_of_error
from shared.queue.renditions import RenditionKey
from workers.styling.context import WorkerContext
from workers.styling.lease import Lease


@dataclass(frozen=True)
class Fetched:
    """A job whose source is in memory. ``keys`` are its renditions."""

    job: Job
    data: bytes
    keys: Sequence[RenditionKey]


def fetch(context: WorkerContext, lease: Lease, job: Job, look_sha256: str) -> Fetched | Outcome:
    """Fetch a source from the store, a merchant's bucket or the web; an error becomes the job's outcome."""
    claim = lease.claim
    try:
        with context.metrics.stage("fetch"):
            data = context.sources.fetch(claim.batch.merchant_id, job.source)
    except Exception as error:
        lease.progress()  # a host may have taken its time to fail
        return outcome_of_error(claim.batch, job, error)
    source_sha256 = hashlib.sha256(data).hexdigest()
    lease.progress()
    keys = [
        RenditionKey(source_sha256, look_sha256, claim.trunk_sha256, preset) for preset in claim.batch.rendition_presets
    ]
    return Fetched(job, data, keys)
