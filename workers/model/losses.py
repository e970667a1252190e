"""The losses of the training that compare with the photo, and the Gram matrices that renditions are judged by.

What the training matches of a style is in ``style_statistics``.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.ssim import EDGE_DEVIATION, WINDOW_PX, Similarity, luminance
from workers.model.vgg import STYLE_TAPS

FLAT_WEIGHT = 0.1
"""Weight of a place without any contrast in the structure term; an edge has 3 more."""

SLOW_PX = 8


def gram(features: Tensor) -> Tensor:
    """Gram matrices of feature maps, in fp32: (N, C, H, W) → (N, C, C), averaged over the positions.

    Gatys et al. 2016, "Image Style Transfer Using Convolutional Neural Networks".
    """
    flat = features.float().flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def grams(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gram matrices of the style layers."""
    return {tap: gram(features[tap]) for tap in STYLE_TAPS}


def style_errors(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Relative error of the Gram matrices, ‖G − Gs‖² / ‖Gs‖², by style layer: (N,) each.

    0 is the style exactly; a photo that was not styled has values around 1 and above.
    """
    return {
        tap: (found[tap] - wanted[tap]).square().sum((1, 2)) / wanted[tap].square().sum((1, 2)) for tap in STYLE_TAPS
    }


def style_error(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
    """Mean of ``style_errors`` over the layers: (N,)."""
    return torch.stack(list(style_errors(found, wanted).values())).mean(0)


def content_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference of feature maps, per sample: (N, C, H, W) twice → (N,)."""
    return (found - wanted).square().mean((1, 2, 3))


def structure_error(similar: Similarity, area: Tensor) -> Tensor:
    """What is lost of the luminance's structure over an area (N, 1, H, W), 1 − SSIM, per sample: (N,).

    The photo's edges, lettering and shading count by their contrast, flat places hardly, so that they can be
    painted. After Zhao et al. 2017, "Loss Functions for Image Restoration With Neural Networks".
    """
    return _weighted(1 - similar.ssim, (FLAT_WEIGHT + 3 * _edges(similar)) * _inner(area))


def edge_error(similar: Similarity, area: Tensor) -> Tensor:
    """How little goes along the photo's edges over an area (N, 1, H, W), 1 − correlation, per sample: (N,).

    It minds moved and reversed edges, whatever the tones on both sides of them are.
    """
    return _weighted(1 - similar.structure, _edges(similar) * _inner(area))


def _edges(similar: Similarity) -> Tensor:
    """How much of an edge there is around each pixel, 0 to 1."""
    return (similar.deviation / EDGE_DEVIATION).clamp(0, 1)


def _inner(area: Tensor) -> Tensor:
    """The area where windows fit whole: (N, 1, H, W) → (N, H − 10, W − 10)."""
    rim = WINDOW_PX // 2
    return area[:, 0, rim:-rim, rim:-rim]


def _weighted(error: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over height and width; 0 where nothing weighs: (N, H, W) twice → (N,)."""
    return (error * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1)


def tone_error(image: Tensor, photo: Tensor, area: Tensor) -> Tensor:
    """How little the slow lightness goes with the photo's over an area (N, 1, H, W), 1 − correlation: (N,).

    Against halos, and light and dark that change places; which tones a style has does not matter.
    """
    return 1 - _correlation(_slow(luminance(image)), _slow(luminance(photo)), F.avg_pool2d(area, SLOW_PX))


def chroma_error(image: Tensor, photo: Tensor, area: Tensor) -> Tensor:
    """How little slow colour differences go with the photo's over an area (N, 1, H, W), 1 − correlation: (N,).

    It keeps hues apart: what differs in colour still does, whatever palette a style has.
    """
    return 1 - _correlation(_slow(_differences(image)), _slow(_differences(photo)), F.avg_pool2d(area, SLOW_PX))


def _differences(image: Tensor) -> Tensor:
    """Red and blue less the luminance: (N, 3, H, W) → (N, 2, H, W)."""
    return image[:, ::2] - luminance(image)


def _slow(values: Tensor) -> Tensor:
    """What changes over some 40 pixels, at an eighth of the size."""
    return F.avg_pool2d(F.avg_pool2d(values, SLOW_PX), 5, 1, 2, count_include_pad=False)


def _correlation(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Weighted correlation over height, width and channels, each channel about its own mean: (N,)."""
    weight = weight / weight.sum((2, 3), keepdim=True).clamp_min(1)
    x = x - (weight * x).sum((2, 3), keepdim=True)
    y = y - (weight * y).sum((2, 3), keepdim=True)
    squares = (weight * x * x).sum((1, 2, 3)) * (weight * y * y).sum((1, 2, 3))
    return (weight * x * y).sum((1, 2, 3)) / (squares + 1e-7).sqrt()


def amplification(after: Tensor, before: Tensor) -> Tensor:
    """Squared size of a change of renditions over that of the change of photos that caused it, per sample.

    (N, 3, H, W) twice → (N,): 1 where a change passes as it is, 0 where it leaves no trace.
    Stability training (Zheng et al. 2016, arXiv:1604.04326; for style transfer Gupta et al. 2017,
    arXiv:1705.02092), in units that do not depend on the size of the change.
    """
    return after.square().sum((1, 2, 3)) / before.square().sum((1, 2, 3)).clamp_min(1e-8)


def total_variation(image: Tensor) -> Tensor:
    """Sum of squared differences between neighbours over the number of pixels, per sample: (N,)."""
    rows = (image[:, :, 1:] - image[:, :, :-1]).square().sum((1, 2, 3))
    columns = (image[:, :, :, 1:] - image[:, :, :, :-1]).square().sum((1, 2, 3))
    return (rows + columns) / (image.shape[2] * image.shape[3])
