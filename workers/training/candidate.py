"""Evaluate a generator on photos, and collect its figures."""

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
from workers.drawing.contact_sheet import Cell, thumbnail
from workers.images.background import paint_weight
from workers.images.compose import Pixels, compose
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.dataset import load_image
from workers.model.learning.style_set import style_files
from workers.model.measures.evaluation import STYLE_PX, Figures, StyleTargets, measure, meets_goal, summary
from workers.model.measures.lpips import Lpips
from workers.model.measures.metrics import white_kept
from workers.model.measures.recognition import Recogniser, pooled
from workers.model.measures.robustness import robustness
from workers.model.tiles import paint
from workers.model.vgg import Vgg
from workers.training.evaluation_files import EvaluationFiles

MINIBATCH = 4
"""Number of styles in which a photo is painted and evaluated at once: VGG-19 needs 40 MB for each at 384 px."""


@dataclass(frozen=True)
class PanelPhoto:
    """Photo (1, 3, H, W) in [0, 1], its name, and its VGG-19 features, which all candidates share."""

    name: str
    pixels: Tensor
    features: Mapping[str, Tensor]

    @classmethod
    @torch.inference_mode()
    def of(cls, name: str, pixels: Tensor, vgg: Vgg) -> PanelPhoto:
        """Compute the features of a photo."""
        return cls(name, pixels, vgg(pixels))


class Candidate:
    """Generator under evaluation: its trunk, vectors and styles, and its figures so far."""

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        images: Mapping[str, Sequence[Tensor]],
        targets: StyleTargets,
        device: torch.device,
    ) -> None:
        """Take the images, uint8 (3, H, W), of the styles to measure, in the order of the targets."""
        self.name = name
        self.trunk_sha256 = checkpoint.trunk_sha256
        about = {style.name: style for style in checkpoint.styles}
        self.styles = [about[name] for name in images]
        self.generator = trunk_from_bytes(checkpoint.trunk).to(device).to(memory_format=torch.channels_last)
        self.rows = torch.stack([row_from_bytes(checkpoint.rows[style.name]) for style in self.styles]).to(device)
        self.targets = targets
        self.figures: dict[str, list[Figures]] = {style.name: [] for style in self.styles}
        self.agreement: dict[str, list[float]] = {style.name: [] for style in self.styles}
        self.robustness: dict[str, list[Figures]] = {style.name: [] for style in self.styles}
        heads = [Cell(thumbnail(to_picture(pictures[0] / 255)), name) for name, pictures in images.items()]
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

    def measure_robustness(self, photo: Tensor) -> None:
        """Record for every style how much small changes of a photo (1, 3, H, W) change its rendition."""
        for style, figures in zip(self.styles, robustness(self.paint_all, photo), strict=True):
            self.robustness[style.name].append({**figures})

    @torch.inference_mode()
    def measure_agreement(self, photo: Tensor, recogniser: Recogniser, vgg: Vgg) -> None:
        """Record for every style whether a photo (1, 3, H, W) keeps its class when styled."""
        painted = torch.cat([photo, self.paint(photo, slice(None))])
        before, *after = recogniser.classify(pooled(painted, vgg)).tolist()
        for style, predicted in zip(self.styles, after, strict=True):
            self.agreement[style.name].append(float(predicted == before))

    @torch.inference_mode()
    def evaluate(
        self,
        photo: PanelPhoto,
        vgg: Vgg,
        progress: Callable[[], None] = lambda: None,
        *,
        lpips: Lpips | None = None,
    ) -> None:
        """Paint a photo in every style and measure the renditions; ``progress`` is called for each minibatch."""
        cells: list[Cell | None] = [Cell(thumbnail(to_picture(photo.pixels[0])), photo.name)]
        for start in range(0, len(self.styles), MINIBATCH):
            part = slice(start, start + MINIBATCH)
            progress()
            painted = self.paint(photo.pixels, part)
            results = measure(painted, photo.pixels, photo.features, self.targets[part], vgg, lpips)
            for style, figures, picture in zip(self.styles[part], results, painted, strict=True):
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
        # Agreement is measured on other photos than the rest, so it joins the figures only here.
        agreed: dict[str, list[Figures]] = {
            name: [{"agreement": value} for value in values] or [{"agreement": None}]
            for name, values in self.agreement.items()
        }
        styles = {name: summary(figures) | summary(agreed[name]) for name, figures in self.figures.items()}
        return {
            "checkpoint": self.name,
            "trunk_sha256": self.trunk_sha256,
            "styles": [
                {"style": name, **figures, "meets_goal": meets_goal(figures)} for name, figures in styles.items()
            ],
            "overall": summary(_all(self.figures)) | summary(_all(agreed)),
            "robustness": {
                "styles": [{"style": name, **summary(figures)} for name, figures in self.robustness.items()],
                "overall": summary(_all(self.robustness)),
            },
            "renditions": self.figures,
        }


def shipped_white(painted: Tensor, photo: Tensor) -> float | None:
    """Return the share of the white background that the shipped rendition keeps, composed with the white protected.

    The picture itself is the bare network's output, whose statistics include the white, so that these figures compare
    with other networks'. Takes (3, H, W) twice; returns None if the photo is no shot on white.
    """
    rgb, paint_rgb = to_pixels(photo), to_pixels(painted)
    shipped = torch.from_numpy(compose(rgb, rgb, paint_rgb, paint_weight(rgb), strength=1)).permute(2, 0, 1)
    kept = float(white_kept(shipped[None].float() / 255, photo[None].cpu()))
    return None if math.isnan(kept) else kept


def to_picture(image: Tensor) -> Image.Image:
    """Convert (3, H, W) in [0, 1] to a picture of 8 bits."""
    return Image.fromarray(to_pixels(image))


def to_pixels(image: Tensor) -> Pixels:
    """Convert (3, H, W) in [0, 1] to uint8 (H, W, 3)."""
    pixels = (image.float() * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.cpu().numpy())


def _all(figures: Mapping[str, Sequence[Figures]]) -> list[Figures]:
    return [values for of_style in figures.values() for values in of_style]
