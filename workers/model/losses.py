"""The losses of the training: content, style statistics and smoothness."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from workers.model.ssim import ssim
from workers.model.vgg import STYLE_TAPS


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


def structure_error(image: Tensor, photo: Tensor) -> Tensor:
    """What is lost of the luminance's structure, 1 − SSIM, per sample: (N, 3, H, W) twice → (N,).

    Zhao et al. 2017, "Loss Functions for Image Restoration With Neural Networks". It keeps the edges,
    lettering and shading of a product where the features of the content term do not look.
    """
    return 1 - ssim(image, photo)


def total_variation(image: Tensor) -> Tensor:
    """Sum of squared differences between neighbours over the number of pixels, per sample: (N,)."""
    rows = (image[:, :, 1:] - image[:, :, :-1]).square().sum((1, 2, 3))
    columns = (image[:, :, :, 1:] - image[:, :, :, :-1]).square().sum((1, 2, 3))
    return (rows + columns) / (image.shape[2] * image.shape[3])
