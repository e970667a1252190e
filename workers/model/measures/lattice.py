"""A lattice: paint that repeats with the grid of the upsamplings, whatever the photo shows there."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from workers.model.ssim import EDGE_DEVIATION, WINDOW_PX, Similarity, luminance

PERIOD_PX = 8
"""A pattern of 2, 4 or 8 pixels repeats after so many."""

LEAST_CELLS = 16


def lattice(image: Tensor, photo: Tensor, similar: Similarity) -> Tensor:
    """Strength of what repeats every 8 pixels in the flat places of a photo, in levels of 255, (N,).

    The lightness of pictures (N, 3, H, W) in [0, 1], without what is wider than 9 pixels, is averaged over all 8 × 8
    cells where the photo (1 or N, 3, H, W) is flat (synchronous averaging, as in McFadden 1987, "A revised model for
    the extraction of periodic waveforms by time domain averaging"). Strokes average out; the root mean square of what
    is left, less what chance leaves of them and less the photo's own, is the lattice. 0 is none; a checkerboard of
    ±1 level has 1. The peaks of the spectrum (``artefacts.grid``) tell how regular a pattern is, this how strong.
    """
    rim = WINDOW_PX // 2
    flat = F.pad((similar.deviation < EDGE_DEVIATION).float(), (rim,) * 4)
    return 255 * (_repeating(image, flat) - _repeating(photo, flat)).clamp_min(0).sqrt()


def _repeating(image: Tensor, flat: Tensor) -> Tensor:
    """Mean square of the averaged cell, corrected for chance: (N,)."""
    y = luminance(image)
    fine = y - F.avg_pool2d(y, 9, 1, 4, count_include_pad=False)
    height, width = (side - side % PERIOD_PX for side in y.shape[2:])
    cells, weights = (
        F.pixel_unshuffle(x[..., :height, :width], PERIOD_PX).flatten(2) for x in (fine, flat.unsqueeze(1))
    )
    count = weights.sum(2).clamp_min(1)
    mean = (weights * cells).sum(2) / count
    chance = (weights * (cells - mean.unsqueeze(2)).square()).sum(2) / count.square()
    phase = mean - mean.mean(1, keepdim=True)
    enough = (count >= LEAST_CELLS).all(1)
    found: Tensor = (phase.square() - chance).mean(1).clamp_min(0) * enough
    return found
