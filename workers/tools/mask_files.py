"""Write the product masks of photos to files, for ``atelier mask``, without any service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from shared.errors import ImageError, UsageError
from shared.settings import Settings
from workers.images.decode import decode
from workers.images.limits import Limits
from workers.images.photo import Photo
from workers.mask.product_mask import ProductMask, product_mask, refine
from workers.mask.segmenter import Segmenter
from workers.model.dataset import find_images

WORKING_PX = 1024
"""Longer side at which a mask is found; it is refined at the photo's own size."""


@dataclass(frozen=True)
class WrittenMask:
    """The mask of one photo, and where it was written; ``error`` says what is wrong with a photo that has none."""

    photo: Path
    out: Path | None
    confidence: float = 0.0
    origin: str = ""
    share: float = 0.0
    error: ImageError | None = None

    def as_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        if self.error is not None:
            return {"photo": str(self.photo), "code": self.error.code, "message": str(self.error)}
        return {
            "photo": str(self.photo),
            "out": str(self.out),
            "confidence": round(self.confidence, 3),
            "origin": self.origin,
            "share": round(self.share, 4),
        }


def write_masks(photo: Path, out: Path, settings: Settings) -> Iterator[WrittenMask]:
    """Write the mask of a photo to ``out``, or those of a folder's photos into the folder ``out``, one by one.

    A mask is a grey PNG of the photo's size: white is product. Raises UsageError where nothing can be read or written.
    """
    if photo.is_dir():
        photos = find_images(photo)
        if not photos:
            raise UsageError(f"no photos in {photo}: name a photo, or a folder with JPEG, PNG or WebP files")
        targets = [out / path.relative_to(photo).with_suffix(".png") for path in photos]
        if len(set(targets)) < len(targets):
            targets = [out / path.relative_to(photo).parent / f"{path.name}.png" for path in photos]
    else:
        if out.suffix.lower() != ".png":
            raise UsageError(f"--out {out}: choose a name that ends in .png")
        photos, targets = [photo], [out]
    segmenter, limits = Segmenter(), Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6))
    for source, target in zip(photos, targets, strict=True):
        if target.exists() and source.exists() and target.samefile(source):
            raise UsageError(f"--out {target} would overwrite the photo: choose another", code="overwrites_source")
        try:
            yield _write(source, target, segmenter, limits)
        except ImageError as error:
            yield WrittenMask(source, None, error=error)


def mask_of(photo: Photo, segmenter: Segmenter) -> ProductMask:
    """Find the mask of a photo at the working size."""
    factor = min(1.0, WORKING_PX / max(photo.width, photo.height))
    return product_mask(photo, (max(1, round(photo.width * factor)), max(1, round(photo.height * factor))), segmenter)


def _write(source: Path, target: Path, segmenter: Segmenter, limits: Limits) -> WrittenMask:
    """Write one mask. Raises ImageError where the photo cannot be decoded, UsageError where files cannot be used."""
    try:
        data = source.read_bytes()
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from error
    photo = decode(data, limits)
    mask = mask_of(photo, segmenter)
    fine = refine(mask, photo.rgb)
    unfinished = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(fine).save(unfinished, "PNG")
        unfinished.replace(target)
    except OSError as error:
        raise UsageError(f"cannot write to --out {target}: {error.strerror}") from error
    return WrittenMask(source, target, mask.confidence, mask.origin, float(fine.mean()) / 255)
