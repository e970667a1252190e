"""Photos to train on: found, split by content, cropped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import functional as T

from shared.errors import UnreadableImage, UsageError
from workers.images.background import paint_weight

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
SMALLEST_SET = 12

SHORT_PX = 576
"""Shorter side at most of photos to train on: about the size at which they are painted in production."""

CROP_TRIES = 10
LEAST_PAINTED = 0.2


def find_photos(folders: Sequence[Path]) -> list[Path]:
    """Return the photos below some folders, sorted. Raises UsageError if there are too few."""
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"no folder {folder}: --photos names a folder with training photos")
    photos = sorted(path for folder in folders for path in find_images(folder))
    if len(photos) < SMALLEST_SET:
        raise UsageError(
            f"{len(photos)} photos in {', '.join(map(str, folders))}; training needs at least {SMALLEST_SET}"
        )
    return photos


def find_images(folder: Path) -> list[Path]:
    """Return the images below a folder, by their suffix, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def load_image(path: Path, short_px: int) -> Tensor:
    """Read an image as uint8 (3, H, W), upright RGB, its shorter side at most ``short_px``.

    Raises UnreadableImage naming the file.
    """
    with _readable(path), Image.open(path) as opened:
        return to_pixels(ImageOps.exif_transpose(opened), short_px)


def to_pixels(image: Image.Image, short_px: int) -> Tensor:
    """Return an upright image as uint8 (3, H, W), RGB on white, its shorter side at most ``short_px``."""
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert("RGB")
    factor = short_px / min(image.size)
    if factor < 1:
        image = image.resize(
            (max(1, round(image.width * factor)), max(1, round(image.height * factor))),
            Image.Resampling.LANCZOS,
        )
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Translate what Pillow raises over a damaged file."""
    try:
        yield
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableImage(f"{path} cannot be read as an image, take it away or replace it: {error}") from error


def side_of(digest: str) -> str:
    """Return where a photo belongs by its SHA-256, in hex: ``train``, ``validation`` or ``test``.

    Of 256 values of the first byte the lowest 26 are the test set, the next 26 validation.
    """
    first = int(digest[:2], 16)
    return "test" if first < 26 else "validation" if first < 52 else "train"


@dataclass(frozen=True)
class PhotoSet:
    """Photos in memory, split by the hash of their content, so that a photo never changes sides (``side_of``).

    ``train`` and ``validation`` are uint8 (4, H, W), as ``with_area`` returns them.
    """

    train: tuple[Tensor, ...]
    validation: tuple[Tensor, ...]
    test: tuple[Path, ...]
    data_hash: str

    @classmethod
    def load(cls, folders: Sequence[Path], short_px: int, *, most: int | None = None) -> PhotoSet:
        """Read the photos below ``folders``, or ``most`` of them, chosen by content; equal files count once."""
        by_hash = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in find_photos(folders)}
        if len(by_hash) < SMALLEST_SET:
            raise UsageError(f"only {len(by_hash)} of the photos differ; training needs at least {SMALLEST_SET}")
        ordered, count = sorted(by_hash.items()), min(most or len(by_hash), len(by_hash))
        chosen = dict(ordered[index * len(ordered) // count] for index in range(count))
        test = tuple(path for digest, path in chosen.items() if side_of(digest) == "test")
        learnt = {digest: load_image(path, short_px) for digest, path in chosen.items() if side_of(digest) != "test"}
        return cls.of(learnt, data_hash=hashlib.sha256("".join(sorted(by_hash)).encode()).hexdigest(), test=test)

    @classmethod
    def of(cls, photos: Mapping[str, Tensor], *, data_hash: str, test: tuple[Path, ...] = ()) -> PhotoSet:
        """Split photos, uint8 (3, H, W), by their hashes, in whose order they are; the test set is left out."""
        ordered = sorted((digest, with_area(photo)) for digest, photo in photos.items() if side_of(digest) != "test")
        train = [photo for digest, photo in ordered if side_of(digest) == "train"]
        validation = [photo for digest, photo in ordered if side_of(digest) == "validation"]
        if train and not validation:  # by chance, in a small set: the next in order goes over
            validation.append(train.pop(0))
        if not train:
            raise UsageError("too few different photos to split into training and validation: add some")
        return cls(tuple(train), tuple(validation), test, data_hash)


def with_area(photo: Tensor) -> Tensor:
    """Add a fourth channel, how much paint each pixel takes in production: uint8 (3, H, W) → (4, H, W)."""
    area = paint_weight(photo.permute(1, 2, 0).contiguous().numpy())
    return torch.cat((photo, torch.from_numpy(area)[None]))


def random_crop(photo: Tensor, crop_px: int, rng: torch.Generator) -> Tensor:
    """Cut a random square at about the size that it has when it is painted, flipped half the time.

    At most a quarter is scaled away, and at least a fifth of the crop is painted if that can be had in a few
    tries. Takes uint8 (4, H, W); returns float (4, crop_px, crop_px) in [0, 1].
    """
    height, width = photo.shape[1:]
    for _ in range(CROP_TRIES):
        draw = torch.rand(4, generator=rng).tolist()
        side = min(height, width, round(crop_px * (1 + 0.25 * draw[0])))
        top, left = round((height - side) * draw[1]), round((width - side) * draw[2])
        if float(photo[3, top : top + side, left : left + side].float().mean()) >= 255 * LEAST_PAINTED:
            break
    crop: Tensor = T.resized_crop(photo, top, left, side, side, [crop_px, crop_px], antialias=True)
    return (crop.flip(2) if draw[3] < 0.5 else crop).float() / 255


def centre_crop(photo: Tensor, crop_px: int) -> Tensor:
    """Cut a square out of the middle, as ``random_crop`` does: uint8 (4, H, W) → float (4, crop_px, crop_px)."""
    side = min(*photo.shape[1:], round(1.125 * crop_px))
    crop: Tensor = T.resize(T.center_crop(photo, [side, side]), [crop_px, crop_px], antialias=True)
    return crop.float() / 255
