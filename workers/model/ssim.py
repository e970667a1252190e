"""Structural similarity of luminance: a measure of what is kept of a photo, and a term of the training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
WINDOW_PX = 11
WINDOW_SIGMA = 1.5


def luminance(image: Tensor) -> Tensor:
    """(N, 3, H, W) RGB → (N, 1, H, W): luma as ITU-R BT.601 weighs it."""
    return (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def ssim(image: Tensor, photo: Tensor) -> Tensor:
    """Structural similarity of the luminance, (N,): 1 for equal pictures, about 0 for unrelated ones, at least −1.

    ``photo`` may be one for all, (1, 3, H, W).
    Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity": a
    Gaussian window of 11 pixels and σ = 1.5, only where it fits whole, K₁ = 0.01 and K₂ = 0.03, mean
    of the map. Sides of at least 11 pixels.
    """
    x, y = luminance(image), luminance(photo)
    mean_x, square_x, product = _blur(torch.cat((x, x * x, x * y), 1)).unbind(1)
    mean_y, square_y = _blur(torch.cat((y, y * y), 1)).unbind(1)
    variance_x, variance_y = square_x - mean_x.square(), square_y - mean_y.square()
    covariance = product - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return ((2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1) * structure).mean((1, 2))


def _blur(x: Tensor) -> Tensor:
    """Gaussian window over every channel: (N, C, H, W) → (N, C, H − 10, W − 10)."""
    at = torch.arange(WINDOW_PX, dtype=x.dtype, device=x.device) - WINDOW_PX // 2
    window = torch.exp(-at.square() / (2 * WINDOW_SIGMA**2))
    window = window / window.sum()
    channels = x.shape[1]
    x = F.conv2d(x, window.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), groups=channels)
    return F.conv2d(x, window.view(1, 1, 1, -1).repeat(channels, 1, 1, 1), groups=channels)
