"""The style of a picture as statistics of its VGG-19 features: what the training matches.

Means and covariances are compared apart. In the uncentred Gram matrix of Gatys et al. (2016) the means
outweigh everything else: the right tint alone matches most of it, without a stroke. The covariances
are what Li et al. 2017 ("Universal Style Transfer via Feature Transforms", arXiv:1705.08086) match;
they are taken at several scales of the picture (Gatys et al. 2017, arXiv:1611.07865), since the same
layers then see strokes of several sizes, and over the painted area only, as the generator normalises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.generator import AreaMoments
from workers.model.vgg import CONTENT_TAP, Vgg

SCALES = {
    1: ("relu1_1", "relu2_1"),
    2: ("relu2_1", "relu3_1", "relu4_1", CONTENT_TAP),
    4: ("relu2_1", "relu3_1"),
}
"""Layers that are looked at, by how many times smaller the picture is. Deep layers at full size would double
the cost of a step, and see strokes of half the size."""

FACET_SCALE = 4
FACET_WEIGHT = 0.7
"""Weight of the coarsest scale beside the others', in styles with large facets; in others it does not count."""

CONTENT = f"2/{CONTENT_TAP}"
COVARIANCE_WEIGHT, MEAN_WEIGHT = 0.7, 3.0

Features = Mapping[str, Tensor]


@dataclass(frozen=True)
class Statistics:
    """Mean (N, C) and covariance (N, C, C) of feature maps over the positions, in fp32."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor, area: Tensor) -> Statistics:
        """Measure feature maps (N, C, H, W) over an area (N, 1, h, w) in [0, 1] of any size."""
        height, width = features.shape[2:]
        weight = F.adaptive_avg_pool2d(area.float(), (height, width)).flatten(2) + AreaMoments.LEAST
        weight = weight / weight.sum(2, keepdim=True)
        # A view, where the channels come last in memory.
        positions = features.permute(0, 2, 3, 1).flatten(1, 2).float()
        mean = weight @ positions
        weighted = positions * weight.sqrt().transpose(1, 2)
        return cls(mean.squeeze(1), weighted.transpose(1, 2) @ weighted - mean.transpose(1, 2) @ mean)

    def __getitem__(self, picks: Tensor) -> Statistics:
        """Return the statistics of some of the pictures."""
        return Statistics(self.mean[picks], self.covariance[picks])


Style = Mapping[str, Statistics]
"""Statistics by scale and layer, as ``2/relu3_1``."""


@dataclass(frozen=True)
class StyleError:
    """How far a picture is from its style, (N,) each: 0 is the style itself, a blank picture has a covariance of 1.

    ``covariance``  mean over scales and layers of ‖C − Cs‖² / ‖Cs‖².
    ``mean``        mean of ‖μ − μs‖² / ‖μs‖².
    """

    covariance: Tensor
    mean: Tensor

    @property
    def weighted(self) -> Tensor:
        """Both together, as the training weighs them."""
        return COVARIANCE_WEIGHT * self.covariance + MEAN_WEIGHT * self.mean

    @classmethod
    def between(cls, found: Style, wanted: Style, facets: Tensor) -> StyleError:
        """Compare N pictures with a style each; ``facets`` (N,) is true for styles with large facets."""
        covariances = torch.stack([_distance(found[at].covariance, wanted[at].covariance) for at in wanted])
        means = torch.stack([_distance(found[at].mean, wanted[at].mean) for at in wanted])
        coarsest = [at.startswith(f"{FACET_SCALE}/") for at in wanted]
        weights = torch.ones_like(means)
        weights[coarsest] = FACET_WEIGHT * facets.to(weights)
        weights = weights / weights.sum(0)
        return cls((weights * covariances).sum(0), (weights * means).sum(0))


def _distance(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared distance over the squared length of what is wanted, per sample: (N,)."""
    return (found - wanted).square().flatten(1).sum(1) / wanted.square().flatten(1).sum(1)


def look(image: Tensor, vgg: Vgg, scales: Sequence[int] = tuple(SCALES)) -> dict[str, Tensor]:
    """See pictures (N, 3, H, W) in [0, 1] at some of the ``SCALES``: feature maps by scale and layer."""
    seen: dict[str, Tensor] = {}
    for scale in scales:
        taps = SCALES[scale]
        features = vgg(F.avg_pool2d(image, scale) if scale > 1 else image, until=max(taps))
        seen |= {f"{scale}/{tap}": features[tap] for tap in taps}
    return seen


def middle(image: Tensor) -> Tensor:
    """Cut the middle out of pictures (N, C, H, W), 5/8 of each side.

    It has positions enough for the finest scale, whose cost, at full size, is that of all others together.
    """
    height, width = image.shape[2:]
    top, left = 3 * height // 16, 3 * width // 16
    return image[:, :, top : height - top, left : width - left]


def style_of(features: Features, area: Tensor) -> dict[str, Statistics]:
    """Measure what ``look`` saw over an area (N, 1, H, W) in [0, 1]."""
    return {at: Statistics.of(seen, area) for at, seen in features.items() if at != CONTENT}


def mean_style(pictures: Sequence[Tensor], vgg: Vgg) -> dict[str, Statistics]:
    """Measure one style, the mean over its pictures (1, 3, H, W) in [0, 1]."""
    each = [style_of(look(picture, vgg), torch.ones_like(picture[:, :1])) for picture in pictures]
    return {
        at: Statistics(
            torch.stack([one[at].mean for one in each]).mean(0),
            torch.stack([one[at].covariance for one in each]).mean(0),
        )
        for at in each[0]
    }


def stacked(styles: Sequence[Style]) -> dict[str, Statistics]:
    """Put several styles, of one picture each, into one."""
    return {
        at: Statistics(torch.cat([one[at].mean for one in styles]), torch.cat([one[at].covariance for one in styles]))
        for at in styles[0]
    }


def picked(style: Style, picks: Tensor) -> dict[str, Statistics]:
    """Return the statistics of some of the styles, in the order of ``picks`` (N,)."""
    return {at: statistics[picks] for at, statistics in style.items()}
