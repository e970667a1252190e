"""Structural similarity of luminance: a measure of what is kept of a photo, and a term of the training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
WINDOW_PX = 11
WINDOW_SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2

EDGE_DEVIATION = 0.06
"""Standard deviation of a photo's luminance within a window from which the place counts as an edge."""


def luminance(image: Tensor) -> Tensor:
    """(N, 3, H, W) RGB → (N, 1, H, W): luma as ITU-R BT.601 weighs it."""
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


@dataclass(frozen=True)
class Similarity:
    """Similarity of pictures to photos around every pixel whose window fits whole: (N, H − 10, W − 10) each.

    ``ssim``       the SSIM index.
    ``structure``  its third factor alone, the correlation within the window: blind to tone and contrast.
    ``deviation``  standard deviation of the photo's luminance within the window.
    """

    ssim: Tensor
    structure: Tensor
    deviation: Tensor

    @classmethod
    def between(cls, image: Tensor, photo: Tensor) -> Similarity:
        """Compare (N, 3, H, W) with as many photos, or one for all, (1, 3, H, W); sides of at least 11 pixels.

        Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity": a
        Gaussian window of 11 pixels and σ = 1.5, K₁ = 0.01 and K₂ = 0.03.
        """
        x, y = luminance(image), luminance(photo)
        mean_x, square_x, product = _blur(torch.cat((x, x * x, x * y), 1)).unbind(1)
        mean_y, square_y = _blur(torch.cat((y, y * y), 1)).unbind(1)
        variance_x, variance_y = square_x - mean_x.square(), square_y - mean_y.square()
        covariance = product - mean_x * mean_y
        tone = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
        # Rounding leaves the variance of flat places a little below 0, and the root has no gradient at 0.
        squares = variance_x.clamp_min(0) * variance_y.clamp_min(0)
        return cls(
            tone * (2 * covariance + C2) / (variance_x + variance_y + C2),
            (covariance + C2 / 2) / ((squares + 1e-10).sqrt() + C2 / 2),
            variance_y.clamp_min(0).sqrt(),
        )


def ssim(image: Tensor, photo: Tensor) -> Tensor:
    """Mean structural similarity, (N,): 1 for equal pictures, about 0 for unrelated ones, at least −1.

    ``photo`` may be one for all, (1, 3, H, W).
    """
    return Similarity.between(image, photo).ssim.mean((1, 2))


def _blur(x: Tensor) -> Tensor:
    """Gaussian window over every channel: (N, C, H, W) → (N, C, H − 10, W − 10)."""
    at = torch.arange(WINDOW_PX, dtype=x.dtype, device=x.device) - WINDOW_PX // 2
    window = torch.exp(-at.square() / (2 * WINDOW_SIGMA**2))
    window = window / window.sum()
    channels = x.shape[1]
    x = F.conv2d(x, window.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), groups=channels)
    return F.conv2d(x, window.view(1, 1, 1, -1).repeat(channels, 1, 1, 1), groups=channels)
