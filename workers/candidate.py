"""A generator that is measured, and what was found of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shared.errors import UsageError
from workers.contact_sheet import Cell, thumbnail
from workers.evaluation_files import EvaluationFiles
from workers.images.background import paint_weight
from workers.images.compose import Pixels, compose
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.dataset import load_image
from workers.model.evaluation import STYLE_PX, Figures, StyleTargets, measure, meets_goal, summary
from workers.model.metrics import white_kept
from workers.model.recognition import Recogniser, pooled
from workers.model.robustness import robustness
from workers.model.style_set import style_files
from workers.model.tiles import paint
from workers.model.vgg import Vgg

MINIBATCH = 4
"""Styles of one photo that are painted and looked at together: VGG-19 needs 40 MB for each at 384 px."""


@dataclass(frozen=True)
class Seen:
    """A photo (1, 3, H, W) in [0, 1], its name, and what VGG-19 sees in it: the same for all that paint it."""

    name: str
    pixels: Tensor
    features: Mapping[str, Tensor]

    @classmethod
    @torch.inference_mode()
    def of(cls, name: str, pixels: Tensor, vgg: Vgg) -> Seen:
        """Look at a photo."""
        return cls(name, pixels, vgg(pixels))


class Candidate:
    """A generator that is measured: its trunk, rows and styles, and what was found so far."""

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        images: Mapping[str, Sequence[Tensor]],
        targets: StyleTargets,
        device: torch.device,
    ) -> None:
        """Take the images, uint8 (3, H, W), of the styles to be measured, in the order of the targets."""
        self.name = name
        self.trunk_sha256 = checkpoint.trunk_sha256
        about = {style.name: style for style in checkpoint.styles}
        self.styles = [about[name] for name in images]
        self.generator = trunk_from_bytes(checkpoint.trunk).to(device).to(memory_format=torch.channels_last)
        self.rows = torch.stack([row_from_bytes(checkpoint.rows[style.name]) for style in self.styles]).to(device)
        self.targets = targets
        self.figures: dict[str, list[Figures]] = {style.name: [] for style in self.styles}
        self.agreed: dict[str, list[float]] = {style.name: [] for style in self.styles}
        self.shaken: dict[str, list[Figures]] = {style.name: [] for style in self.styles}
        heads = [Cell(thumbnail(to_picture(own[0] / 255)), name) for name, own in images.items()]
        self.sheet: list[list[Cell | None]] = [[None, *heads]]

    @classmethod
    def load(cls, folder: Path, files: EvaluationFiles, vgg: Vgg, device: torch.device) -> Candidate:
        """Load a checkpoint and find its style images. Raises BadCheckpoint, UsageError."""
        checkpoint = Checkpoint.load(folder)
        styles = [style for style in checkpoint.styles if not files.only or style.name in files.only]
        if not styles:
            raise UsageError(f"the checkpoint {folder} knows none of the styles {', '.join(files.only)}")
        images = {
            style.name: [load_image(path, STYLE_PX) for path in style_files(style, files.styles)] for style in styles
        }
        return cls(str(folder), checkpoint, images, StyleTargets.of(list(images.values()), vgg, device), device)

    def paint(self, photo: Tensor, part: slice) -> Tensor:
        """Paint a photo (1, 3, H, W) in some of the styles: (S, 3, H, W)."""
        rows = self.rows[part]
        return paint(self.generator, photo.expand(len(rows), -1, -1, -1), rows)

    def paint_all(self, photo: Tensor) -> Tensor:
        """Paint a photo (1, 3, H, W) in every style, a minibatch at a time: (S, 3, H, W)."""
        starts = range(0, len(self.styles), MINIBATCH)
        return torch.cat([self.paint(photo, slice(start, start + MINIBATCH)) for start in starts])

    def shake(self, photo: Tensor) -> None:
        """Note for every style how much small changes of a photo (1, 3, H, W) change its rendition."""
        for style, figures in zip(self.styles, robustness(self.paint_all, photo), strict=True):
            self.shaken[style.name].append({**figures})

    @torch.inference_mode()
    def witness(self, photo: Tensor, recogniser: Recogniser, vgg: Vgg) -> None:
        """Note for every style whether a photo (1, 3, H, W) is still sorted into the class it had."""
        painted = torch.cat([photo, self.paint(photo, slice(None))])
        before, *after = recogniser.classify(pooled(painted, vgg)).tolist()
        for style, found in zip(self.styles, after, strict=True):
            self.agreed[style.name].append(float(found == before))

    @torch.inference_mode()
    def sit(self, photo: Seen, vgg: Vgg, progress: Callable[[], None] = lambda: None) -> None:
        """Paint a photo in every style and measure what comes out; ``progress`` is told of each part."""
        cells: list[Cell | None] = [Cell(thumbnail(to_picture(photo.pixels[0])), photo.name)]
        for start in range(0, len(self.styles), MINIBATCH):
            part = slice(start, start + MINIBATCH)
            progress()
            painted = self.paint(photo.pixels, part)
            found = measure(painted, photo.pixels, photo.features, self.targets[part], vgg)
            for style, figures, picture in zip(self.styles[part], found, painted, strict=True):
                self.figures[style.name].append(figures | {"white_kept": shipped_white(picture, photo.pixels[0])})
                cells.append(
                    Cell(
                        thumbnail(to_picture(picture)),
                        f"{figures['ssim']:.2f} {figures['pdist']:.2f} {figures['covariance_error']:.2f}",
                    )
                )
        self.sheet.append(cells)

    def findings(self) -> dict[str, Any]:
        """Return the figures per style and over all renditions, as plain data."""
        # Agreement belongs to other photos than the rest, so it joins the figures only here.
        agreed: dict[str, list[Figures]] = {
            name: [{"agreement": one} for one in found] or [{"agreement": None}] for name, found in self.agreed.items()
        }
        styles = {name: summary(figures) | summary(agreed[name]) for name, figures in self.figures.items()}
        return {
            "checkpoint": self.name,
            "trunk_sha256": self.trunk_sha256,
            "styles": [{"style": name, **found, "meets_goal": meets_goal(found)} for name, found in styles.items()],
            "overall": summary(_all(self.figures)) | summary(_all(agreed)),
            "robustness": {
                "styles": [{"style": name, **summary(found)} for name, found in self.shaken.items()],
                "overall": summary(_all(self.shaken)),
            },
            "renditions": self.figures,
        }


def shipped_white(painted: Tensor, photo: Tensor) -> float | None:
    """Share of the white background kept once the paint is composed with it protected, as it is shipped.

    The paint itself is the bare network's, whose statistics see the white, too: those figures compare with
    other networks'. Takes (3, H, W) twice; None where the photo is no shot on white.
    """
    rgb, paint_rgb = to_pixels(photo), to_pixels(painted)
    shipped = torch.from_numpy(compose(rgb, rgb, paint_rgb, paint_weight(rgb), strength=1)).permute(2, 0, 1)
    kept = float(white_kept(shipped[None].float() / 255, photo[None].cpu()))
    return None if math.isnan(kept) else kept


def to_picture(image: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] → a picture of 8 bits."""
    return Image.fromarray(to_pixels(image))


def to_pixels(image: Tensor) -> Pixels:
    """(3, H, W) in [0, 1] → uint8 (H, W, 3)."""
    pixels = (image.float() * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.cpu().numpy())


def _all(figures: Mapping[str, Sequence[Figures]]) -> list[Figures]:
    return [one for found in figures.values() for one in found]
