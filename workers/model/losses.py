"""The losses of the training: content, style statistics, structure, edges, stability and smoothness."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.ssim import luminance, ssim
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


def halved(image: Tensor) -> Tensor:
    """Half the resolution, each pixel the mean of four: (N, C, H, W) → (N, C, ⌊H/2⌋, ⌊W/2⌋).

    The same layers then see strokes of twice the size (Gatys et al. 2017, "Controlling Perceptual
    Factors in Neural Style Transfer").
    """
    return F.avg_pool2d(image, 2)


def slope(image: Tensor) -> Tensor:
    """Steepness of the luminance by Sobel's operator, per pixel of way: (N, 3, H, W) → (N, 1, H − 2, W − 2)."""
    across = image.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    kernels = torch.stack((across, across.t()))[:, None]
    steps = F.conv2d(luminance(image), kernels)
    # The root has no gradient at 0, where a picture is flat.
    return (steps.square().sum(1, keepdim=True) + 1e-8).sqrt()


def edge_error(image: Tensor, photo: Tensor) -> Tensor:
    """Mean absolute difference of the luminance's slopes, per sample: (N, 3, H, W) twice → (N,).

    It minds lost and invented edges alike, whatever the tones on both sides of them are.
    """
    return (slope(image) - slope(photo)).abs().mean((1, 2, 3))


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
