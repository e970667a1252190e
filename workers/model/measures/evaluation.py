"""Judging renditions: every measure of a styled picture at once, VGG-19 being run once for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median

import torch
from torch import Tensor

from workers.model.losses import grams, style_error, style_errors
from workers.model.measures import artefacts, metrics
from workers.model.measures.colour_difference import colour_drift
from workers.model.measures.hue import hue_kept
from workers.model.measures.lattice import lattice
from workers.model.measures.lpips import Lpips
from workers.model.measures.ringing import ringing
from workers.model.ssim import Similarity
from workers.model.vgg import STYLE_TAPS, Vgg

STYLE_PX = 512
"""Shorter side at which a style image is looked at (``style_error`` depends on it)."""

GOAL = {"edge_ssim": 0.60, "edge_structure": 0.80, "covariance_error": 0.25, "stroke_error": 0.45}
"""Edges kept at least so well, and at most so far from the style. What flat places lose of the photo is no flaw."""

AT_LEAST = {"edge_ssim", "edge_structure"}
"""Goals that are to be reached from below; the others are limits."""

SHARES = {"white_kept", "agreement"}
"""Measures averaged over the photos; of all others the median is taken."""

Figures = dict[str, float | None]
"""What was measured of a rendition or a group of them; None where a measure does not apply."""


@dataclass(frozen=True)
class StyleTargets:
    """What the style images look like to VGG-19: Gram matrices (S, C, C) and moments (S, C) by layer."""

    grams: Mapping[str, Tensor]
    moments: Mapping[str, tuple[Tensor, Tensor]]

    @classmethod
    @torch.inference_mode()
    def of(cls, images: Sequence[Sequence[Tensor]], vgg: Vgg, device: torch.device) -> StyleTargets:
        """Look at the images of S styles, uint8 (3, H, W), the shorter side ``STYLE_PX`` at most.

        Several of one style count as their mean, as in training.
        """
        looked = [_look(own, vgg, device) for own in images]
        return cls(
            {tap: torch.cat([gram[tap] for gram, _ in looked]) for tap in STYLE_TAPS},
            {tap: _stacked([moments[tap] for _, moments in looked]) for tap in STYLE_TAPS},
        )

    def __getitem__(self, part: slice) -> StyleTargets:
        """Return the targets of some of the styles."""
        return StyleTargets(
            {tap: gram[part] for tap, gram in self.grams.items()},
            {tap: (mean[part], std[part]) for tap, (mean, std) in self.moments.items()},
        )

    @property
    def covariances(self) -> dict[str, Tensor]:
        """Covariances of the features by layer, (S, C, C)."""
        return metrics.covariances(self.grams, {tap: mean for tap, (mean, _) in self.moments.items()})


@torch.inference_mode()
def measure(
    painted: Tensor,
    photo: Tensor,
    features: Mapping[str, Tensor],
    targets: StyleTargets,
    vgg: Vgg,
    lpips: Lpips | None = None,
) -> list[Figures]:
    """Measure one photo's renditions in S styles.

    Args:
        painted: the renditions, (S, 3, H, W) in [0, 1].
        photo: (1, 3, H, W) in [0, 1].
        features: what VGG-19 sees in the photo, by layer.
        targets: the S styles.
        vgg: the eyes.
        lpips: eyes that no training has used; without them that figure is None.
    """
    found = vgg(painted)
    found_grams = grams(found)
    pdist = metrics.perceptual_distance(found, features)
    style = style_error(found_grams, targets.grams)
    means = {tap: found[tap].float().mean((2, 3)) for tap in STYLE_TAPS}
    covariance = style_errors(metrics.covariances(found_grams, means), targets.covariances)
    similar = Similarity.between(painted, photo)
    measured = {
        "covariance_error": torch.stack(list(covariance.values())).mean(0),
        "stroke_error": covariance["relu4_1"],
        "edge_ssim": metrics.edge_mean(similar.ssim, similar),
        "edge_structure": metrics.edge_mean(similar.structure, similar),
        "ssim": similar.ssim.mean((1, 2)),
        "pdist": pdist,
        "style_error": style,
        "moments": metrics.moments_distance(metrics.moments(found, found_grams), targets.moments),
        "colour_drift": colour_drift(painted, photo),
        "combined": metrics.combined(pdist, style),
        "grid": artefacts.grid(painted, photo),
        "frame": artefacts.frame(painted, photo),
        "blobs": artefacts.blobs(painted, photo),
        "lattice": lattice(painted, photo, similar),
        "ringing": ringing(painted, photo, similar),
        "hue_kept": hue_kept(painted, photo),
        "lpips": pdist.new_full((len(painted),), math.nan) if lpips is None else lpips(painted, photo),
    }
    rows = torch.stack(list(measured.values()), 1).tolist()
    return [
        {name: None if math.isnan(value) else value for name, value in zip(measured, values, strict=True)}
        for values in rows
    ]


def summary(figures: Sequence[Figures]) -> Figures:
    """Medians over renditions (means of ``SHARES``); None for what applies to none of them."""
    found: Figures = {}
    for name in figures[0]:
        values = [value for one in figures if (value := one[name]) is not None]
        average = mean if name in SHARES else median
        found[name] = average(values) if values else None
    return found


def meets_goal(figures: Figures) -> bool:
    """Whether the figures are on the right side of every line of ``GOAL``."""
    for name, limit in GOAL.items():
        value = figures[name]
        if value is None or (value < limit if name in AT_LEAST else value > limit):
            return False
    return True


def _look(
    images: Sequence[Tensor], vgg: Vgg, device: torch.device
) -> tuple[dict[str, Tensor], dict[str, tuple[Tensor, Tensor]]]:
    """Gram matrices and moments by layer of the images of one style, taken together."""
    seen = [vgg(image.to(device).float()[None] / 255) for image in images]
    each = [grams(features) for features in seen]
    together = {tap: torch.stack([one[tap] for one in each]).mean(0) for tap in STYLE_TAPS}
    means = {tap: torch.stack([one[tap].mean((2, 3), keepdim=True) for one in seen]).mean(0) for tap in STYLE_TAPS}
    return together, metrics.moments(means, together)


def _stacked(moments: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    means, stds = zip(*moments, strict=True)
    return torch.cat(means), torch.cat(stds)
