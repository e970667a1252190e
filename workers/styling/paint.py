"""Third stage: the generator, on a device lane."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import torch
from torch import Tensor

from shared.queue.chunks import Claim
from shared.queue.jobs import Job
from shared.tables import QUEUES
from workers.images.compose import Pixels
from workers.runtime.minibatch_lanes import Canvas
from workers.styling.context import WorkerContext
from workers.styling.lease import Lease


def submit(context: WorkerContext, claim: Claim, job: Job, small: Pixels, weight: Pixels) -> Future[Tensor] | None:
    """Queue a photo at working size for the next minibatch of its trunk. The future gives (3, h, w), uint8.

    Returns None for a look of procedural styles alone.
    """
    row = context.rows.mix(job.look, claim.batch.style_rows)
    if row is None:
        return None
    pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)
    area = torch.from_numpy(weight)[None]
    canvas = Canvas(claim.trunk_sha256, pixels, area, row)
    return context.lanes.submit(canvas, priority=QUEUES.index(claim.batch.queue))


def await_paint(lease: Lease, painted: Future[Tensor]) -> Pixels:
    """Wait for a lane; return uint8 (h, w, 3). Waiting in the queue counts as progress, painting does not."""
    while True:
        try:
            return painted.result(timeout=1.0).permute(1, 2, 0).numpy()
        except TimeoutError:
            if painted.done():
                return painted.result().permute(1, 2, 0).numpy()
            if not painted.running():
                lease.progress()
