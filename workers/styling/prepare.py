"""Second stage: decode a source, find what of it is painted, and hand it to the lanes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from torch import Tensor

from shared.queue.chunks import Claim
from shared.queue.jobs import Job
from shared.queue.renditions import RenditionKey
from workers.images.compose import Pixels, working_size
from workers.images.decode import decode
from workers.images.effects import Effects
from workers.images.photo import Photo
from workers.images.working import at_working_size
from workers.styling.content_credentials import Original
from workers.styling.context import WorkerContext
from workers.styling.fetch import Fetched
from workers.styling.paint import submit


@dataclass(frozen=True)
class Prepared:
    """A job whose source is decoded. ``keys`` are its renditions, of which ``missing`` must be made.

    ``small``    the photo at the generator's working size, uint8 (h, w, 3).
    ``weight``   how much of each pixel is painted, uint8 (h, w): 0 is kept as it is.
    ``original`` the source file, where renditions are signed.
    ``effects``  procedural styles of the look; ``painted`` is None if it has no others.
    """

    job: Job
    keys: Sequence[RenditionKey]
    missing: Sequence[RenditionKey]
    photo: Photo
    small: Pixels
    weight: Pixels
    painted: Future[Tensor] | None
    effects: Effects
    original: Original | None = None

    @property
    def pixels(self) -> int:
        """Pixels of the decoded photo."""
        return self.photo.width * self.photo.height

    @property
    def is_painted(self) -> bool:
        """Whether it can be completed without waiting."""
        return self.painted is None or self.painted.done()


def prepare(context: WorkerContext, claim: Claim, fetched: Fetched, known: Collection[RenditionKey]) -> Prepared:
    """Decode a source and submit it to the lanes. Raises ImageError where it cannot be decoded."""
    job = fetched.job
    with context.metrics.stage("decode"):
        photo = decode(fetched.data, context.limits)
    size = working_size(
        photo.width,
        photo.height,
        working_px=context.settings.working_px,
        texture_scale=job.look.texture_scale,
    )
    with context.metrics.stage("prepare"):
        small, weight = at_working_size(photo, size, white=job.look.white)
    effects = context.rows.effects(job.look, claim.batch.style_rows)
    painted = submit(context, claim, job, small, weight) if job.look.strength > 0 else None
    original = None if context.signer is None else Original(fetched.data, photo.source_format)
    missing = [key for key in fetched.keys if key not in known]
    return Prepared(job, fetched.keys, missing, photo, small, weight, painted, effects, original)
