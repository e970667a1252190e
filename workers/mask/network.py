"""The segmentation network: a MobileNetV2 trunk and a small decoder with skip connections.

Trunk: M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, without its last
1×1 convolution. Decoder: U-Net's skip connections (O. Ronneberger et al., MICCAI 2015) over depthwise separable
convolutions, and the pooled attention of LR-ASPP (A. Howard et al., "Searching for MobileNetV3", ICCV 2019) on top.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

INPUT_PX = 320
"""Longer side at which the network sees a photo."""

STRIDE = 32
"""Its input's sides are multiples of this."""

TAPS = {1: 16, 3: 24, 6: 32, 13: 96, 17: 320}
"""Blocks of the trunk whose output the decoder takes, and their channels: at 1/2, 1/4, 1/8, 1/16, 1/32."""

WIDTHS = (24, 32, 48, 96, 160)
"""Channels of the decoder, at the same sizes."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, with which the trunk was trained."""


class MaskNetwork(nn.Module):
    """Photos, float (n, 3, H, W) in [0, 1] with sides that are multiples of ``STRIDE`` → logits, (n, 1, H, W)."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.trunk = cast(nn.Sequential, mobilenet_v2(weights=None).features)[:18]
        self.top = PooledAttention(TAPS[17], WIDTHS[4])
        lateral = list(TAPS.values())
        self.ups = nn.ModuleList(Up(WIDTHS[level + 1], lateral[level], WIDTHS[level]) for level in (3, 2, 1, 0))
        self.head = nn.Conv2d(WIDTHS[0], 1, 3, padding=1)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, photos: Tensor) -> Tensor:
        """Return the logit of each pixel that it belongs to a product."""
        x = (photos - self.mean) / self.std
        taps = []
        for index, block in enumerate(self.trunk):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        x = self.top(taps.pop())
        for up in self.ups:
            x = up(x, taps.pop())
        return F.interpolate(self.head(x), photos.shape[-2:], mode="bilinear")


class PooledAttention(nn.Module):
    """1×1 convolution, weighted channel by channel by what the whole picture shows."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Conv2d(inner, outer, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU())
        self.attend = nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inner, h, w) → (n, outer, h, w)."""
        weighted: Tensor = self.project(x) * torch.sigmoid(self.attend(x.mean(dim=(2, 3), keepdim=True)))
        return weighted


class Up(nn.Module):
    """Double the size, add the trunk's features of that size, and convolve."""

    def __init__(self, inner: int, lateral: int, outer: int) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(inner, outer, 1)
        self.lateral = nn.Conv2d(lateral, outer, 1)
        self.convs = nn.Sequential(*separable(outer), *separable(outer))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(n, inner, h, w) and (n, lateral, 2h, 2w) → (n, outer, 2h, 2w)."""
        merged = F.interpolate(self.shrink(x), skip.shape[-2:], mode="bilinear") + self.lateral(skip)
        y: Tensor = merged + self.convs(F.relu(merged))
        return y


def separable(channels: int) -> tuple[nn.Module, ...]:
    """Return a depthwise 3×3 convolution and a 1×1 convolution, each normalised."""
    return (
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )
