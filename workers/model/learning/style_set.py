"""What a training run knows of its styles: statistics to reach, and the images themselves."""

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
from workers.model.style_statistics import Statistics, mean_style, picked, stacked
from workers.model.vgg import Vgg

SMALLEST_PX = 64
LEAST_DEVIATION = 4.0
"""Standard deviation of the most varied channel, of 255, below which an image has no texture to learn."""


@dataclass(frozen=True)
class StyleSet:
    """Styles in the order of the config.

    ``statistics``  by scale and layer, one picture per style: the mean over the style's images.
    ``images``      per style, its images as uint8 (3, H, W).
    ``hashes``      by name, the sha256 of its images' bytes.
    """

    statistics: dict[str, Statistics]
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
        return cls(stacked([mean_style(own, vgg) for own in pictures]), images, hashes)

    def only(self, index: int) -> StyleSet:
        """Return one style of them alone."""
        name = list(self.hashes)[index]
        alone = picked(self.statistics, torch.tensor([index]))
        return StyleSet(alone, self.images[index : index + 1], {name: self.hashes[name]})


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
    if float(image.float().std((1, 2)).max()) < LEAST_DEVIATION:
        raise UsageError(f"style image {name} is nearly uniform: there is no style to learn from it")
    return image
