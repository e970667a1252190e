"""Resizing with antialiasing, several times as fast as Pillow's and the same to within a rounding."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

Pixels = npt.NDArray[np.uint8]


def resize(pixels: Pixels, size: tuple[int, int], kernel: Literal["bicubic", "lanczos"]) -> Pixels:
    """Resize uint8 (H, W, 3) to ``size`` = (width, height)."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    # The minibatch's dimension first: added after the permutation, its stride would hide from torch that the
    # channels come last, and both the fast path and the layout of the result would be lost.
    stacked = torch.from_numpy(np.require(pixels, requirements=("C", "W")))[None].permute(0, 3, 1, 2)
    resized = F.interpolate(stacked, size=(size[1], size[0]), mode=kernel, antialias=True)
    return np.ascontiguousarray(resized.permute(0, 2, 3, 1)[0].numpy())
