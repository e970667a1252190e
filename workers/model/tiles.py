"""Painting pictures of any size in bounded memory: tiles that share one set of statistics."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.generator import SMALLEST_PX, Generator, MomentsRecorder

TILE_PX = 1024
"""Side of a tile; pictures up to this area are painted whole."""

HALO_PX = 64
"""Overlap around a tile that is painted and thrown away, so that its edges see their surroundings.

The receptive field reaches further, but what lies beyond 64 px moves no pixel visibly.
"""

THUMBNAIL_PX = 512


def paint(generator: Generator, photo: Tensor, rows: Tensor, tile_px: int = TILE_PX) -> Tensor:
    """Paint photos (N, 3, H, W) in [0, 1] of any size with style rows (N, row_size); same shape out.

    Pictures larger than one tile are painted in tiles whose normalisation statistics come once from
    a thumbnail of the whole (URST, arXiv:2103.11784): no seams, and memory for one tile only.
    """
    height, width = photo.shape[2:]
    padded = _at_least(photo, SMALLEST_PX)
    if height * width <= tile_px * tile_px:
        painted: Tensor = generator(padded, rows)
    else:
        singles = zip(padded.split(1), rows.split(1), strict=True)
        painted = torch.cat([_tiled(generator, one, row, tile_px) for one, row in singles])
    return painted[:, :, :height, :width]


def _at_least(photo: Tensor, side: int) -> Tensor:
    """Pad on the right and below by repeating the edge until each side has ``side`` pixels."""
    height, width = photo.shape[2:]
    bottom, right = max(0, side - height), max(0, side - width)
    return F.pad(photo, (0, right, 0, bottom), mode="replicate") if bottom or right else photo


def _tiled(generator: Generator, photo: Tensor, row: Tensor, tile_px: int) -> Tensor:
    """Paint one photo (1, 3, H, W) tile by tile, with the statistics of its thumbnail."""
    height, width = photo.shape[2:]
    factor = min(1.0, THUMBNAIL_PX / max(height, width))
    size = [max(SMALLEST_PX, round(height * factor)), max(SMALLEST_PX, round(width * factor))]
    recorder = MomentsRecorder()
    generator(F.interpolate(photo, size=size, mode="bilinear", antialias=True), row, recorder)
    painted = torch.empty_like(photo)
    for top in range(0, height, tile_px):
        for left in range(0, width, tile_px):
            bottom, right = min(height, top + tile_px), min(width, left + tile_px)
            up, back = _begin(top, height), _begin(left, width)
            tile = photo[:, :, up : bottom + HALO_PX, back : right + HALO_PX]
            out = generator(tile, row, recorder.replay())
            painted[:, :, top:bottom, left:right] = out[:, :, top - up : bottom - up, left - back : right - back]
    return painted


def _begin(edge: int, length: int) -> int:
    """Where painting begins for a tile at ``edge``: with a halo, on the grid of the stride-2 layers."""
    begin = max(0, min(edge, length - SMALLEST_PX) - HALO_PX)
    return begin - begin % 4
