"""What a training run knows of its styles: Gram matrices to reach, and the images themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from shared.errors import UsageError
from workers.model.config import StyleSource, TrainConfig
from workers.model.dataset import find_images, load_image
from workers.model.losses import grams, halved
from workers.model.vgg import Vgg

SMALLEST_PX = 64
LEAST_DEVIATION = 4.0
"""Standard deviation of the grey values, of 255, below which an image has no texture to learn."""


@dataclass(frozen=True)
class StyleSet:
    """Styles in the order of the config.

    ``grams``         by layer, (styles, C, C): the mean over a style's images.
    ``coarse_grams``  the same of the images at half the size.
    ``images``        per style, its images as uint8 (3, H, W).
    ``hashes``        by name, the sha256 of its images' bytes.
    """

    grams: dict[str, Tensor]
    coarse_grams: dict[str, Tensor]
    images: tuple[tuple[Tensor, ...], ...]
    hashes: dict[str, str]

    @classmethod
    def load(cls, config: TrainConfig, folder: Path, vgg: Vgg, device: torch.device) -> StyleSet:
        """Read all style images at ``style_px`` (shorter side). Raises UsageError naming what is missing."""
        files = {style.name: style_files(style, folder) for style in config.styles}
        return cls.of_files(files, config.style_px, vgg, device)

    @classmethod
    def of_files(cls, files: Mapping[str, Sequence[Path]], style_px: int, vgg: Vgg, device: torch.device) -> StyleSet:
        """Read the images of each style, by its name. Raises UsageError or UnreadableImage."""
        images = tuple(tuple(_load_style(path, style_px) for path in paths) for paths in files.values())
        hashes = {
            name: hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
            for name, paths in files.items()
        }
        return cls.of(images, hashes, vgg, device)

    @classmethod
    @torch.no_grad()
    def of(
        cls, images: tuple[tuple[Tensor, ...], ...], hashes: dict[str, str], vgg: Vgg, device: torch.device
    ) -> StyleSet:
        """Measure the images of each style, uint8 (3, H, W)."""
        pictures = [[image.to(device).float()[None] / 255 for image in own] for own in images]
        fine = _mean_grams(pictures, vgg)
        coarse = _mean_grams([[halved(picture) for picture in own] for own in pictures], vgg)
        return cls(fine, coarse, images, hashes)

    def only(self, index: int) -> StyleSet:
        """Return one style of them alone."""
        name = list(self.hashes)[index]
        fine, coarse = (
            {tap: all_[index : index + 1] for tap, all_ in one.items()} for one in (self.grams, self.coarse_grams)
        )
        return StyleSet(fine, coarse, self.images[index : index + 1], {name: self.hashes[name]})


def _mean_grams(pictures: Sequence[Sequence[Tensor]], vgg: Vgg) -> dict[str, Tensor]:
    """Per layer the Gram matrices of each style, the mean over its pictures (1, 3, H, W): (styles, C, C)."""
    found = []
    for own in pictures:
        each = [grams(vgg(picture)) for picture in own]
        found.append({tap: torch.stack([one[tap] for one in each]).mean(0) for tap in each[0]})
    return {tap: torch.cat([one[tap] for one in found]) for tap in found[0]}


def style_files(style: StyleSource, folder: Path) -> list[Path]:
    """Return the image of a style, or all images where its ``file`` is a folder."""
    path = folder / style.file
    paths = find_images(path) if path.is_dir() else [path]
    if not paths or not path.exists():
        raise UsageError(f"no style image {path} for the style {style.name!r}: --styles names their folder")
    return paths


def _load_style(path: Path, style_px: int) -> Tensor:
    return checked_style(load_image(path, style_px), str(path))


def checked_style(image: Tensor, name: str) -> Tensor:
    """Return a style image, uint8 (3, H, W). Raises UsageError where no style can be learnt from it."""
    if min(image.shape[1:]) < SMALLEST_PX:
        raise UsageError(f"style image {name} is too small: its shorter side needs at least {SMALLEST_PX} pixels")
    if float(image.float().mean(0).std()) < LEAST_DEVIATION:
        raise UsageError(f"style image {name} is nearly uniform: there is no style to learn from it")
    return image
