"""Paint photos in their looks by two versions, as shipped, and compare the renditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shared.look import Look
from shared.models.promotion.verdict_details import Part
from shared.models.promotion.verdicts import paired
from workers.drawing.contact_sheet import Cell, thumbnail
from workers.images.compose import Pixels, compose, working_size
from workers.images.photo import Photo
from workers.images.working import at_working_size
from workers.mask.product_mask import product_mask
from workers.mask.segmenter import Segmenter
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.model.dataset import to_pixels
from workers.model.losses import grams, style_error
from workers.model.measures.evaluation import StyleTargets
from workers.model.vgg import Vgg
from workers.runtime.painter import Painter
from workers.styling.measure import measure
from workers.styling.product import find_details, painted_area, protected, strengths_of

STYLE_ERROR_PX = 384
"""Long side at which VGG-19 sees a rendition, as for the panel."""


@dataclass(frozen=True)
class LookPhoto:
    """Photo, uint8 (H, W, 3), no larger than it is painted, its look, and a name for the contact sheet."""

    name: str
    pixels: Pixels
    look: Look


class LookPainter:
    """Model version that paints photos in looks."""

    def __init__(self, checkpoint: Checkpoint, painter: Painter, working_px: int) -> None:
        self._checkpoint = checkpoint
        self._painter = painter
        self._working_px = working_px
        self._segmenter = Segmenter()

    def paint(self, look_photo: LookPhoto) -> tuple[Pixels, dict[str, float]]:
        """Return the rendition of a photo, uint8 (H, W, 3), and its quality by name."""
        photo, look = look_photo.pixels, look_photo.look
        height, width = photo.shape[:2]
        size = working_size(width, height, working_px=self._working_px, texture_scale=look.texture_scale)
        small, weight = at_working_size(Photo(photo, None, "png"), size, white=look.white)
        rendition, product, strengths = photo, None, look.strengths
        if look.needs_mask:
            found = product_mask(Photo(photo, None, "png"), size, self._segmenter)
            weight = painted_area(weight, found) if look.white == "keep" else weight
            product = find_details(photo, found, look)
            strengths = strengths_of(look, product)
        if strengths.most > 0:
            area = torch.from_numpy(weight)[None, None]
            row = sum(share * row_from_bytes(self._checkpoint.rows[name]) for name, share in look.mix)
            assert isinstance(row, Tensor)
            painted = self._painter.paint(self._checkpoint.trunk_sha256, _tensor(small), area, row[None])
            rendition = compose(photo, small, painted[0].permute(1, 2, 0).numpy(), weight, strength=strengths.most)
            if product is not None:
                rendition = protected(photo, rendition, look, product, strengths)
        return rendition, measure(photo, rendition, weight, strengths, product).figures


@dataclass(frozen=True)
class LookFeatures:
    """VGG-19, and the Gram matrices of each style's images, by name: (1, C, C) by layer."""

    vgg: Vgg
    styles: Mapping[str, Mapping[str, Tensor]]

    @classmethod
    def of(cls, vgg: Vgg, names: Sequence[str], targets: StyleTargets) -> LookFeatures:
        """Split the targets by style."""
        return cls(vgg, {name: targets[place : place + 1].grams for place, name in enumerate(names)})

    def covers(self, look: Look) -> bool:
        """Return whether there is an image of each style of a look."""
        return self.styles.keys() >= set(look.styles)

    @torch.inference_mode()
    def style_error(self, rendition: Pixels, look: Look) -> float:
        """Return how far a rendition is from the style of its look. A mix has the mean of its styles' Gram matrices."""
        height, width = rendition.shape[:2]
        short = max(1, round(STYLE_ERROR_PX * min(height, width) / max(height, width)))
        pixels = to_pixels(Image.fromarray(rendition), short)[None].float() / 255
        rendition_grams = grams(self.vgg(pixels.to(next(self.vgg.parameters()).device)))
        taps = self.styles[look.styles[0]]
        wanted = {tap: torch.stack([share * self.styles[name][tap] for name, share in look.mix]).sum(0) for tap in taps}
        return float(style_error(rendition_grams, wanted))


def measure_looks(
    photos: Sequence[LookPhoto],
    candidate: LookPainter,
    champion: LookPainter,
    features: LookFeatures,
    progress: Callable[[str], None],
) -> tuple[Part, list[list[Cell | None]]]:
    """Paint photos in their looks by both versions; return the figures, and rows of a contact sheet.

    A photo in a look that one of the two cannot paint is counted as ``unmeasured``.
    """
    known = [photo for photo in photos if features.covers(photo.look)]
    measured: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    rows: list[list[Cell | None]] = []
    for photo in known:
        row: list[Cell | None] = [Cell(_small(photo.pixels), f"{photo.name}: {photo.look.style}")]
        # The champion comes first on the sheet.
        for number, painter, figures in ((1, champion, measured[1]), (2, candidate, measured[0])):
            progress(f"{photo.name}, painted {number} of 2")
            rendition, quality = painter.paint(photo)
            figures.append(quality | {"style_error": features.style_error(rendition, photo.look)})
            label = f"{number}: {quality['content_distance']:.2f} {figures[-1]['style_error']:.3f}"
            row.append(Cell(_small(rendition), label))
        rows.append(row)
    return Part(len(known), len(photos) - len(known), paired(*measured)), rows


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]


def _small(pixels: Pixels) -> Image.Image:
    return thumbnail(Image.fromarray(pixels))
