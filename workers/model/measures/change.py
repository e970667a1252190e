"""What a rendition changed: how far the colours of a photo moved, in a part of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workers.model.measures.colour_difference import ciede2000, to_lab


@dataclass(frozen=True)
class Change:
    """How a part of a picture changed.

    ``share``      of the pixels that are in this part, 0 to 1.
    ``mean``       CIEDE2000 on average: 0 is no change, 1 about the least that is seen, 100 black to white.
    ``p95``        what 95 % of the pixels do not exceed.
    ``lightness``  mean CIELAB L before and after, 0 black to 100 white.
    ``chroma``     mean CIELAB chroma before and after, 0 grey to about 130.
    """

    share: float
    mean: float
    p95: float
    lightness: tuple[float, float]
    chroma: tuple[float, float]


@dataclass(frozen=True)
class ColourChange:
    """Two pictures compared pixel by pixel: ``delta``, CIEDE2000 (H, W), and both in CIELAB (3, H, W)."""

    delta: Tensor
    before: Tensor
    after: Tensor

    @classmethod
    def between(cls, photo: Tensor, rendition: Tensor) -> ColourChange:
        """Compare sRGB pictures of one size, (3, H, W) in [0, 1]."""
        before, after = to_lab(photo[None]), to_lab(rendition[None])
        return cls(ciede2000(after, before)[0], before[0], after[0])

    def within(self, area: Tensor) -> Change | None:
        """Sum up the pixels where ``area``, bool (H, W), is true; None if there are none."""
        if not area.any():
            return None
        delta, before, after = self.delta[area], self.before[:, area], self.after[:, area]
        return Change(
            share=float(area.float().mean()),
            mean=float(delta.mean()),
            p95=float(torch.quantile(delta, 0.95)),
            lightness=(float(before[0].mean()), float(after[0].mean())),
            chroma=(float(before[1:].norm(dim=0).mean()), float(after[1:].norm(dim=0).mean())),
        )
