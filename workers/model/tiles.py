"""Painting pictures of any size in bounded memory: tiles that share one set of statistics."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.generator import SMALLEST_PX, Architecture, AreaMoments, Generator, MomentsRecorder, instance_moments

TILE_PX = 1024
"""Side of a tile; pictures up to this area are painted whole."""

THUMBNAIL_PX = 512

SMALL_PX, ENLARGED_PX = 64, 512
"""Shorter side below which a picture is enlarged to be painted, since a stroke would cover all of it, and the longer
side that this stops at."""


def halo_px(architecture: Architecture) -> int:
    """Overlap around a tile that is painted and thrown away, so that its edges see their surroundings.

    As far as the trunk sees, and so exact: 14 px for the convolutions at its ends, 8 for every residual block
    (two 3×3 convolutions at a quarter of the resolution), and up to 10 more for a multiple of the stride.
    """
    return 8 * architecture.blocks + 24


def paint(
    generator: Generator, photo: Tensor, rows: Tensor, area: Tensor | None = None, *, tile_px: int = TILE_PX
) -> Tensor:
    """Paint photos (N, 3, H, W) in [0, 1] of any size with style rows (N, row_size); same shape out.

    Pictures larger than one tile are painted in tiles whose normalisation statistics come once from
    a thumbnail of the whole (URST, arXiv:2103.11784): no seams, and memory for one tile only.
    ``area`` (N, 1, H, W) in [0, 1] says where the statistics are taken; everywhere if None.
    ``tile_px``, the side of a tile, is a multiple of 4. Tiny pictures are painted enlarged.
    """
    height, width = photo.shape[2:]
    if (times := _enlargement(height, width)) > 1:
        large = F.interpolate(photo.float(), scale_factor=times, mode="bicubic").clamp(0, 1).to(photo.dtype)
        large_area = None if area is None else F.interpolate(area, scale_factor=times, mode="nearest")
        return F.avg_pool2d(_paint(generator, large, rows, large_area, tile_px), times)
    return _paint(generator, photo, rows, area, tile_px)


def _enlargement(height: int, width: int) -> int:
    """How many times a picture is enlarged to be painted: 1 for all but tiny ones."""
    return max(1, min(-(-SMALL_PX // min(height, width)), ENLARGED_PX // max(height, width)))


def _paint(generator: Generator, photo: Tensor, rows: Tensor, area: Tensor | None, tile_px: int) -> Tensor:
    """Paint photos at the size they have, whole or in tiles."""
    height, width = photo.shape[2:]
    photo = _at_least(photo, SMALLEST_PX)
    area = None if area is None else _at_least(area, SMALLEST_PX)
    if height * width <= tile_px * tile_px:
        painted: Tensor = generator(photo, rows, AreaMoments(area) if area is not None else instance_moments)
        return painted[:, :, :height, :width]
    each = range(len(photo))
    areas = [None if area is None else area[i : i + 1] for i in each]
    painted = torch.cat([_tiled(generator, photo[i : i + 1], rows[i : i + 1], areas[i], tile_px) for i in each])
    return painted[:, :, :height, :width]


def _at_least(photo: Tensor, side: int) -> Tensor:
    """Pad on the right and below by repeating the edge until each side has ``side`` pixels."""
    height, width = photo.shape[2:]
    bottom, right = max(0, side - height), max(0, side - width)
    return F.pad(photo, (0, right, 0, bottom), mode="replicate") if bottom or right else photo


def moments_of_whole(generator: Generator, photo: Tensor, row: Tensor, area: Tensor | None = None) -> MomentsRecorder:
    """Record the statistics of a picture (1, 3, H, W) as a thumbnail of it has them."""
    height, width = photo.shape[2:]
    factor = THUMBNAIL_PX / max(height, width)
    size = [max(SMALLEST_PX, round(height * factor)), max(SMALLEST_PX, round(width * factor))]
    recorder = MomentsRecorder(
        instance_moments if area is None else AreaMoments(F.interpolate(area, size=size, mode="area"))
    )
    generator(F.interpolate(photo.float(), size=size, mode="bilinear", antialias=True).to(photo.dtype), row, recorder)
    return recorder


def _tiled(generator: Generator, photo: Tensor, row: Tensor, area: Tensor | None, tile_px: int) -> Tensor:
    height, width = photo.shape[2:]
    halo, recorder = halo_px(generator.architecture), moments_of_whole(generator, photo, row, area)
    painted = torch.empty_like(photo, dtype=torch.float32)
    for top in range(0, height, tile_px):
        for left in range(0, width, tile_px):
            bottom, right = min(height, top + tile_px), min(width, left + tile_px)
            # Even offsets keep the stride-2 grids of neighbouring tiles aligned.
            up, back = (
                max(0, min(top, height - SMALLEST_PX) - halo),
                max(0, min(left, width - SMALLEST_PX) - halo),
            )
            up, back = up - up % 4, back - back % 4
            tile = photo[:, :, up : bottom + halo, back : right + halo]
            out = generator(tile, row, recorder.replay())
            painted[:, :, top:bottom, left:right] = out[:, :, top - up : bottom - up, left - back : right - back]
    return painted
