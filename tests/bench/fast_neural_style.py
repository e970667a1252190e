"""The network that Atelier's generator is measured against: one feed-forward network per style.

The architecture of pytorch/examples ``fast_neural_style``, after its description (1.68 M parameters):
Johnson et al. 2016 (arXiv:1603.08155) with instance normalisation (Ulyanov et al. 2016,
arXiv:1607.08022), reflection padding, and nearest-neighbour upsampling before convolutions.

A checkpoint of ``atelier train`` with ``{"width": 32, "blocks": 5}`` and one style is this network:
its row is the scales and shifts of the normalisations. Only the last step differs, a sigmoid that
keeps the picture in range instead of cutting it off.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from workers.model.generator import MEAN, STD, Generator


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Reflection padding and a convolution."""
    return nn.Sequential(nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inputs, outputs, kernel, stride))


class ResidualBlock(nn.Module):
    """Two convolutions, each normalised, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(channels, channels, 3), nn.InstanceNorm2d(channels, affine=True), nn.ReLU(),
            convolution(channels, channels, 3), nn.InstanceNorm2d(channels, affine=True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape."""
        added: Tensor = x + self.layers(x)
        return added


class FastNeuralStyle(nn.Module):
    """One style's network: (N, 3, H, W) in [0, 1] → the same shape, H and W multiples of 4."""

    mean: Tensor
    std: Tensor

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        down = [
            layer
            for (a, b), kernel, stride in zip(pairwise((3, w, 2 * w, 4 * w)), (9, 3, 3), (1, 2, 2), strict=True)
            for layer in (convolution(a, b, kernel, stride), nn.InstanceNorm2d(b, affine=True), nn.ReLU())
        ]
        up = [
            layer
            for a, b in pairwise((4 * w, 2 * w, w))
            for layer in (
                nn.Upsample(scale_factor=2),
                convolution(a, b, 3),
                nn.InstanceNorm2d(b, affine=True),
                nn.ReLU(),
            )
        ]
        self.layers = nn.Sequential(*down, *(ResidualBlock(4 * w) for _ in range(5)), *up, convolution(w, 3, 9))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, photo: Tensor) -> Tensor:
        """Style photos in the one style that this network knows."""
        painted: Tensor = torch.sigmoid(self.layers((photo - self.mean) / self.std))
        return painted

    @classmethod
    def of(cls, generator: Generator, row: Tensor) -> FastNeuralStyle:
        """Take over the weights of a generator of five blocks and one style row (row_size,)."""
        network = cls(generator.architecture.width)
        convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        trained = [module for module in generator.modules() if isinstance(module, nn.Conv2d)]
        for own, other in zip(convolutions, trained, strict=True):
            own.load_state_dict(other.state_dict())
        sizes = [c for channels in generator.architecture.channels for c in (channels, channels)]
        parts = iter(row.split(sizes))  # type: ignore[no-untyped-call]
        for norm in (module for module in network.modules() if isinstance(module, nn.InstanceNorm2d)):
            norm.weight.data, norm.bias.data = next(parts).clone(), next(parts).clone()
        return network.eval().requires_grad_(False)
