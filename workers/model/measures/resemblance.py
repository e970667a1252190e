"""Which parts of the style image a rendition resembles, as VGG-19 sees them.

Patches of both pictures are compared by the cosine of their features, as Li and Wand 2016 do
(arXiv:1601.04589, patches of 3 × 3 positions at relu3_1 and relu4_1). Of all places in the style image
those few are chosen which together resemble the rendition best, greedily: the gain of a place is how
much closer it comes to the rendition's patches than the places chosen before (the facility-location
problem, for which being greedy is within 1 − 1/e of the best: Nemhauser, Wolsey and Fisher 1978).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = ("relu3_1", "relu4_1")
GRID_PX = 8
"""Pixels between the positions of relu4_1, to whose grid relu3_1 is averaged down."""

PATCH = 3
"""Positions on a side of a patch, which so sees about 84 pixels, the middle most."""

APART = 9
"""Positions by which chosen places are apart, so that each shows another part of the style image."""

EDGE = 5
"""Positions at the border of a large style image that are no places: there VGG-19 sees its own padding."""

CALM = 5
"""Positions over which likeness is averaged before the rendition is divided into regions."""

Place = tuple[int, int]
"""Centre of a patch in pixels: x, y."""


@dataclass(frozen=True)
class Resemblance:
    """A place in the style image and the place in the rendition that resembles it most.

    ``likeness`` is the cosine of their features, 1 for equal patches; ``share`` how much of the
    rendition resembles this place more than the other ones, 0 to 1.
    """

    style: Place
    rendition: Place
    likeness: float
    share: float


@dataclass(frozen=True)
class Resemblances:
    """The places, those of the largest share first, and ``regions``: int (⌊H/8⌋, ⌊W/8⌋).

    A region is the index of the place that a position of the rendition resembles; −1 where it was left out.
    """

    places: tuple[Resemblance, ...]
    regions: Tensor


def likenesses(rendition: Mapping[str, Tensor], style: Mapping[str, Tensor], inside: Tensor) -> Tensor:
    """Cosine between patches of two pictures, given the features (1, C, h, w) of ``TAPS``: (positions, places).

    Positions are those of the rendition where ``inside``, bool (h, w), is true; places all of the style
    image. The mean of the style image's features is subtracted before, or what all paint has in common
    would make everything alike; and each layer counts the same.
    """
    means = {tap: style[tap].float().mean((2, 3), keepdim=True) for tap in TAPS}
    sizes = {tap: (style[tap].float() - means[tap]).square().sum(1).mean().sqrt().clamp_min(1e-12) for tap in TAPS}

    def patches(features: Mapping[str, Tensor]) -> Tensor:
        height, width = features[TAPS[-1]].shape[2:]
        maps = [
            F.adaptive_avg_pool2d((features[tap].float() - means[tap]) / sizes[tap], (height, width)) for tap in TAPS
        ]
        return F.unfold(torch.cat(maps, 1), PATCH, padding=PATCH // 2)[0]

    found: Tensor = F.normalize(patches(rendition)[:, inside.flatten()], dim=0).T @ F.normalize(patches(style), dim=0)
    return found


@torch.inference_mode()
def find_resemblances(
    rendition: Mapping[str, Tensor], style: Mapping[str, Tensor], inside: Tensor, count: int = 6
) -> Resemblances:
    """Find up to ``count`` places of the style image that the rendition resembles.

    Args:
        rendition: features (1, C, h, w) of the rendition, by layer; ``TAPS`` are needed.
        style: the same of the style image.
        inside: bool (h, w) on the grid of relu4_1: where the rendition was painted.
        count: how many places at most.
    """
    if not inside.any():
        return Resemblances((), torch.full(inside.shape, -1))
    height, width = style[TAPS[-1]].shape[2:]
    like = likenesses(rendition, style, inside)
    chosen = _choose(like, (height, width), count)
    maps = like.new_zeros(len(chosen), *inside.shape)
    maps[:, inside] = like[:, chosen].T
    # Averages with zeros where nothing was painted: regions hang together, and examples keep off the borders.
    calm = F.avg_pool2d(maps[None], CALM, 1, CALM // 2)[0]
    regions = torch.where(inside, calm.argmax(0), -1)
    shares = torch.stack([(regions == index).sum() for index in range(len(chosen))]) / inside.sum()
    order = [index for index in shares.argsort(descending=True).tolist() if shares[index] > 0]
    places = []
    for index in order:
        example = int(torch.where(regions == index, calm[index] + maps[index], -4).argmax())
        places.append(
            Resemblance(
                style=_centre(chosen[index], width),
                rendition=_centre(example, inside.shape[1]),
                likeness=float(maps[index].flatten()[example]),
                share=float(shares[index]),
            )
        )
    ranks = torch.full((len(chosen) + 1,), -1)
    ranks[order] = torch.arange(len(order))
    return Resemblances(tuple(places), ranks[regions])


def _choose(like: Tensor, grid: tuple[int, int], count: int) -> list[int]:
    """Choose columns of ``like`` (positions, places) greedily, never two less than ``APART`` apart."""
    height, width = grid
    ys, xs = torch.arange(height).repeat_interleave(width), torch.arange(width).repeat(height)
    top, left = (min(EDGE, (side - 1) // 2) for side in grid)
    free = (ys >= top) & (ys < height - top) & (xs >= left) & (xs < width - left)
    covered, chosen = like.new_full((len(like),), -1.0), list[int]()
    while len(chosen) < count and len(like) and free.any():
        gain = torch.cat([(part - covered[:, None]).clamp_min(0).sum(0) for part in torch.split(like, 512, 1)])
        best = int(torch.where(free, gain, -1).argmax())
        chosen.append(best)
        covered = torch.maximum(covered, like[:, best])
        free &= torch.maximum((ys - ys[best]).abs(), (xs - xs[best]).abs()) >= APART
    return chosen


def _centre(position: int, width: int) -> Place:
    row, column = divmod(position, width)
    return GRID_PX * column + GRID_PX // 2, GRID_PX * row + GRID_PX // 2
