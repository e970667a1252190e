"""Ringing: waves beside edges that the photo does not have."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.ssim import EDGE_DEVIATION, Similarity, luminance

NEAR_PX = 12
"""How far from an edge waves count as its own."""

SLOW_PX = 15
"""What is wider than this is shading, or a step of tone that the style may rightly have."""


def ringing(image: Tensor, photo: Tensor, similar: Similarity) -> Tensor:
    """How much more lightness wavers in flat places beside a photo's edges than in flat places far away, (N,).

    Marziliano et al. 2004 ("Perceptual blur and ringing metrics: application to JPEG2000") take what oscillates
    beside an edge and not in the reference. A painted picture has texture everywhere, so what it has far from edges
    is taken off: the root of the difference of the mean squares, in levels of 255, 0 for none. Pictures (N, 3, H, W)
    in [0, 1], the photo perhaps one for all. NaN where a photo has no edges or is flat nowhere beside or far from them.
    """
    edges = (similar.deviation >= EDGE_DEVIATION).float().unsqueeze(1)
    # The window of the deviation reaches 5 pixels, so beyond these an edge itself is not seen.
    near = F.max_pool2d(edges, 2 * NEAR_PX + 1, 1, NEAR_PX)
    beside, far = (near - edges)[:, 0], (1 - near)[:, 0]
    wavering = _waves(image) - _waves(photo)
    excess = _mean(wavering, beside) - _mean(wavering, far)
    found: Tensor = 255 * excess.clamp_min(0).sqrt()
    return found


def _waves(image: Tensor) -> Tensor:
    """Squared deviation of the lightness from that around, where the windows of SSIM fit: (N, H − 10, W − 10)."""
    y = luminance(image)
    slow = F.avg_pool2d(y, SLOW_PX, 1, SLOW_PX // 2, count_include_pad=False)
    return (y - slow).square()[:, 0, 5:-5, 5:-5]


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean over a part of each picture, (N,); NaN where there is none of it."""
    count = where.sum((1, 2))
    return (values * where).sum((1, 2)) / count.where(count > 0, torch.nan)
