"""How good is a picture that was styled? Measures of the content kept and of the style taken on.

One more of the style is ``losses.style_error`` (*styleErr*), with the style image's shorter side at 512 px.
Pictures are float (N, 3, H, W) RGB in [0, 1]; every measure returns one number per picture, (N,).
Nothing here learns: no trained heads, so ``perceptual_distance`` stands in for LPIPS
and ``combined`` for ArtFID, and neither compares with figures under those names.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from workers.model.ssim import EDGE_DEVIATION, Similarity
from workers.model.vgg import STYLE_TAPS

CONTENT_TAPS = ("relu1_2", "relu2_2", "relu3_4", "relu4_1")
NEAR_WHITE = 240 / 255
WHITE_FALL = 5 / 255
SHOT_BORDER = 0.5
STYLE_WEIGHT = 10.0


def perceptual_distance(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
    """How far the content moved (*pdist*), (N,): 0 for equal pictures, 2 at most.

    Squared distance of the VGG-19 features of ``CONTENT_TAPS``, each position normalised to unit
    length over the channels, mean over the positions and the layers. A stand-in for LPIPS (Zhang et
    al. 2018, arXiv:1801.03924), which weighs the channels with trained heads.
    """
    return torch.stack(list(content_distances(found, wanted).values())).mean(0)


def content_distances(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parts of ``perceptual_distance`` by content layer: (N,) each, 0 for equal pictures, 2 at most."""
    return {tap: _angle(found[tap].float(), wanted[tap].float()) for tap in CONTENT_TAPS}


def _angle(x: Tensor, y: Tensor) -> Tensor:
    """Squared distance of the unit vectors along dimension 1, mean over the positions: |x̂|² + |ŷ|² − 2 x̂·ŷ.

    Without making x̂ and ŷ, which are as large as the feature maps. A zero vector stays one.
    """
    length_x: Tensor = x.norm(dim=1)
    length_y: Tensor = y.norm(dim=1)
    cosine = (x * y).sum(1) / (length_x * length_y).clamp_min(1e-12)
    squared: Tensor = (length_x > 0).float() + (length_y > 0).float() - 2 * cosine
    return squared.mean((1, 2)).clamp_min(0)


def moments(features: Mapping[str, Tensor], grams: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and standard deviation over the positions, by style layer: two tensors (N, C) each.

    The Gram matrices (``losses.grams`` of the same features) have the mean squares on their diagonals.
    """
    found = {}
    for tap in STYLE_TAPS:
        mean = features[tap].float().mean((2, 3))
        squares = grams[tap].diagonal(dim1=1, dim2=2)
        found[tap] = (mean, (squares - mean.square()).clamp_min(0).sqrt())
    return found


def moments_distance(found: Mapping[str, tuple[Tensor, Tensor]], wanted: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
    """Distance of the features' means and standard deviations, (N,): 0 for the style's own, no upper end.

    Sum over the layers of ‖μ − μs‖ + ‖σ − σs‖: the style loss of Huang and Belongie 2017
    (arXiv:1703.06868). Blind to which features go together, which the Gram matrices see.
    """
    parts = [(found[tap][i] - wanted[tap][i]).norm(dim=1) for tap in STYLE_TAPS for i in (0, 1)]
    return torch.stack(parts).sum(0)


def covariances(grams: Mapping[str, Tensor], means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Covariances of features by layer, (N, C, C), from their Gram matrices and means (N, C).

    ``losses.style_errors`` of these, averaged over the layers, is *covErr*, its relu4_1 term *c41*: the distance of
    the feature covariances that Li et al. 2017 match (arXiv:1705.08086), relative to the style's own. 0 is the
    style, 1 a picture without any texture, however well its tint matches; c41 tells the strokes.
    """
    return {tap: grams[tap] - means[tap].unsqueeze(2) * means[tap].unsqueeze(1) for tap in grams}


def edge_mean(values: Tensor, similar: Similarity) -> Tensor:
    """Mean of values (N, H − 10, W − 10) where the photo has edges, (N,); NaN for a photo without any.

    An edge is where the photo's luminance deviates by ``EDGE_DEVIATION`` or more within the window of SSIM. Of the
    SSIM map this is *edge-SSIM*, of its third factor (Wang et al. 2004, eq. 10) *edge structure*.
    """
    edges = (similar.deviation >= EDGE_DEVIATION).float()
    return (values * edges).sum((1, 2)) / edges.sum((1, 2)).where(edges.any(2).any(1), torch.nan)


def combined(content: Tensor, style: Tensor) -> Tensor:
    """One figure for both, (N,): (1 + pdist) · (1 + 10 · styleErr); 1 at best, lower is better.

    In the manner of ArtFID, (1 + LPIPS) · (1 + FID) (Wright and Ommer 2022, arXiv:2207.12280), made of
    what can be had without trained heads, so a substitute. The ten is the weight that the training
    gives the same error: without it an unstyled photo (about 1 · 2) would tie with a good rendition
    (about 1.8 · 1.1); with it they are 11 and 3. It does not see that a product is gone: a copy of
    the style image has about 2. Read it beside SSIM.
    """
    return (1 + content) * (1 + STYLE_WEIGHT * style)


def white_kept(image: Tensor, photo: Tensor) -> Tensor:
    """Share of a shot's white background that is as white as it was, (N,) in [0, 1]; NaN for any other photo.

    Background is what is near-white (every channel at 240 of 255 or more, which takes in the off-white of many
    shops) and can be reached from the border in a straight line, along its row or its column, over near-white
    alone. So white parts of the product, and the rims that sharpening leaves around it, do not count, and
    neither do gaps within it. A photo is a shot on white if at least half of its border is near-white. Kept is
    a pixel none of whose channels is more than 5 of 255 darker than the photo's darkest.
    """
    white = photo.amin(1) >= NEAR_WHITE - 1e-6
    on_white = _border(white).float().mean(1) >= SHOT_BORDER
    background = _seen_from_border(white)
    kept = background & (image.amin(1) >= photo.amin(1) - WHITE_FALL - 1e-6)
    return torch.where(on_white, kept.float().sum((1, 2)) / background.float().sum((1, 2)), torch.nan)


def _border(values: Tensor) -> Tensor:
    """The outermost rows and columns of (N, H, W), one after the other: (N, 2 H + 2 W)."""
    return torch.cat((values[:, 0], values[:, -1], values[:, :, 0], values[:, :, -1]), dim=1)


def _seen_from_border(free: Tensor) -> Tensor:
    """Which pixels (N, H, W) a straight line over ``free`` ones alone, up, down, left or right, leads out from."""
    lines = free.byte()
    return torch.stack(
        [line for dim in (1, 2) for line in (lines.cumprod(dim), lines.flip(dim).cumprod(dim).flip(dim))]
    ).any(0)
