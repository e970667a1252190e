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
from workers.mask.product_mask import ProductMask, product_mask
from workers.styling.content_credentials import Original
from workers.styling.context import WorkerContext
from workers.styling.fetch import Fetched
from workers.styling.paint import submit
from workers.styling.product import painted_area
from workers.styling.scene import Scene, set_scene


@dataclass(frozen=True)
class Prepared:
    """A job whose source is decoded. ``keys`` are its renditions, of which ``missing`` must be made.

    ``small``    the photo at the generator's working size, uint8 (h, w, 3).
    ``weight``   how much of each pixel is painted, uint8 (h, w): 0 is kept as it is.
    ``original`` the source file, where renditions are signed.
    ``effects``  procedural styles of the look; ``painted`` is None if it has no others.
    ``scene``    the photo's scene if the look has a background; ``photo`` is then the scene's.
    ``product``  where the product is; None if the look does not need to know.
    """

    job: Job
    keys: Sequence[RenditionKey]
    missing: Sequence[RenditionKey]
    photo: Photo
    small: Pixels
    weight: Pixels
    painted: Future[Tensor] | None
    effects: Effects
    product: ProductMask | None = None
    scene: Scene | None = None
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
    scene = None
    if job.look.background:
        with context.metrics.stage("scene"):
            scene = set_scene(photo, job.look, claim.batch.merchant_id, context.backgrounds, context.segmenter)
        photo = scene.photo
    size = working_size(
        photo.width,
        photo.height,
        working_px=context.settings.working_px,
        texture_scale=job.look.texture_scale,
    )
    with context.metrics.stage("prepare"):
        small, weight = at_working_size(photo, size, white=job.look.white)
    product = None
    if scene is not None:
        product, weight = scene.product(size), scene.weight(size, weight, job.look)
    elif job.look.needs_mask and not job.look.is_photo:
        with context.metrics.stage("mask"):
            product = product_mask(photo, size, context.segmenter)
            weight = painted_area(weight, product) if job.look.white == "keep" else weight
    effects = context.rows.effects(job.look, claim.batch.style_rows)
    painted = None if job.look.is_photo else submit(context, claim, job, small, weight)
    original = None if context.signer is None else Original(fetched.data, photo.source_format)
    missing = [key for key in fetched.keys if key not in known]
    return Prepared(job, fetched.keys, missing, photo, small, weight, painted, effects, product, scene, original)
