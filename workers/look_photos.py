"""Photos in their looks, painted by two versions as they are shipped, and measured beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shared.look import Look
from shared.promotion.verdicts import paired
from workers.contact_sheet import Cell, thumbnail
from workers.images.compose import Pixels, compose, working_size
from workers.images.photo import Photo
from workers.images.working import at_working_size
from workers.model.checkpoint import Checkpoint, row_from_bytes
from workers.model.dataset import to_pixels
from workers.model.evaluation import StyleTargets
from workers.model.losses import grams, style_error
from workers.model.vgg import Vgg
from workers.painter import Painter
from workers.quality import measure

STYLE_ERROR_PX = 384
"""Long side at which VGG-19 looks at a rendition, as at the panel's."""


@dataclass(frozen=True)
class LookPhoto:
    """A photo, uint8 (H, W, 3), no larger than it is painted, the look it has, and a name for the contact sheet."""

    name: str
    pixels: Pixels
    look: Look


class LookPainter:
    """A version that paints photos in looks."""

    def __init__(self, checkpoint: Checkpoint, painter: Painter, working_px: int) -> None:
        self._checkpoint = checkpoint
        self._painter = painter
        self._working_px = working_px

    def paint(self, one: LookPhoto) -> tuple[Pixels, dict[str, float]]:
        """Return the rendition of a photo, uint8 (H, W, 3), and its quality by name."""
        photo, look = one.pixels, one.look
        height, width = photo.shape[:2]
        size = working_size(width, height, working_px=self._working_px, texture_scale=look.texture_scale)
        small, weight = at_working_size(Photo(photo, None, "png"), size, white=look.white)
        rendition = photo
        if look.strength > 0:
            area = torch.from_numpy(weight)[None, None]
            row = sum(share * row_from_bytes(self._checkpoint.rows[name]) for name, share in look.mix)
            assert isinstance(row, Tensor)
            painted = self._painter.paint(self._checkpoint.trunk_sha256, _tensor(small), area, row[None])
            rendition = compose(photo, small, painted[0].permute(1, 2, 0).numpy(), weight, strength=look.strength)
        return rendition, measure(photo, rendition, weight, look.strength).figures


@dataclass(frozen=True)
class StyleSight:
    """VGG-19, and what it sees in the images of styles, by name: (1, C, C) by layer."""

    vgg: Vgg
    styles: Mapping[str, Mapping[str, Tensor]]

    @classmethod
    def of(cls, vgg: Vgg, names: Sequence[str], targets: StyleTargets) -> StyleSight:
        """Take the styles apart."""
        return cls(vgg, {name: targets[place : place + 1].grams for place, name in enumerate(names)})

    def know(self, look: Look) -> bool:
        """Whether there is an image of each style of a look."""
        return self.styles.keys() >= set(look.styles)

    @torch.inference_mode()
    def style_error(self, rendition: Pixels, look: Look) -> float:
        """How far a rendition is from the style of its look; that of a mix is the mean of its styles' Gram matrices."""
        height, width = rendition.shape[:2]
        short = max(1, round(STYLE_ERROR_PX * min(height, width) / max(height, width)))
        pixels = to_pixels(Image.fromarray(rendition), short)[None].float() / 255
        found = grams(self.vgg(pixels.to(next(self.vgg.parameters()).device)))
        taps = self.styles[look.styles[0]]
        wanted = {tap: torch.stack([share * self.styles[name][tap] for name, share in look.mix]).sum(0) for tap in taps}
        return float(style_error(found, wanted))


def measure_looks(
    photos: Sequence[LookPhoto],
    candidate: LookPainter,
    champion: LookPainter,
    sight: StyleSight,
    progress: Callable[[str], None],
) -> tuple[dict[str, Any], list[list[Cell | None]]]:
    """Let both paint photos in their looks; return the figures, as plain data, and rows of a contact sheet.

    A photo in a look that one of the two cannot paint is counted as ``unmeasured``.
    """
    known = [one for one in photos if sight.know(one.look)]
    measured: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    rows: list[list[Cell | None]] = []
    for one in known:
        row: list[Cell | None] = [Cell(_small(one.pixels), f"{one.name}: {one.look.style}")]
        # The champion comes first on the sheet.
        for number, painter, figures in ((1, champion, measured[1]), (2, candidate, measured[0])):
            progress(f"{one.name}, painted {number} of 2")
            rendition, quality = painter.paint(one)
            figures.append(quality | {"style_error": sight.style_error(rendition, one.look)})
            label = f"{number}: {quality['content_distance']:.2f} {figures[-1]['style_error']:.3f}"
            row.append(Cell(_small(rendition), label))
        rows.append(row)
    found = {"photos": len(known), "unmeasured": len(photos) - len(known), "figures": paired(*measured)}
    return found, rows


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]


def _small(pixels: Pixels) -> Image.Image:
    return thumbnail(Image.fromarray(pixels))
