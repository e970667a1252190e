"""LPIPS with its published heads: how far apart two pictures look, by a network that no training here has used.

Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (arXiv:1801.03924), version
0.1, AlexNet. The weights are not part of the project. The file holds AlexNet's convolutions under torchvision's names
(``features.0.weight`` … ``features.10.bias``) and the heads as the authors' package names them (``lin0.model.1.weight``
… ``lin4.model.1.weight``, (1, C, 1, 1) each).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from shared.errors import UsageError

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and deviation of ImageNet's channels where values go from −1 to 1, as the authors round them."""

LAYERS = ((0, 3, 64, 11, 4, 2), (3, 64, 192, 5, 1, 2), (6, 192, 384, 3, 1, 1), (8, 384, 256, 3, 1, 1),
          (10, 256, 256, 3, 1, 1))  # fmt: skip
"""Index in torchvision's ``alexnet().features``, channels in and out, kernel, stride, padding."""

POOLED = {3, 6}
"""Layers before which AlexNet pools."""


class Lpips(nn.Module):
    """AlexNet's convolutions and a head for each: the weights of its channels in the distance."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleDict({str(at): nn.Conv2d(i, o, k, s, p) for at, i, o, k, s, p in LAYERS})
        self.heads = nn.ParameterList(torch.zeros(1, layer[2], 1, 1) for layer in LAYERS)
        self.requires_grad_(False)

    @classmethod
    def load(cls, path: Path) -> Lpips:
        """Read the weights from a safetensors file. Raises UsageError if it is missing or foreign."""
        try:
            return cls.from_weights(load_file(path))
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise UsageError(
                f"{path} does not hold LPIPS weights: --lpips takes a safetensors file with AlexNet's convolutions "
                f"and the published heads ({error})"
            ) from error

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Lpips:
        """Take the weights from tensors under the published names. Raises KeyError, RuntimeError if foreign."""
        lpips = cls()
        state = {f"heads.{i}": weights[f"lin{i}.model.1.weight"] for i in range(len(LAYERS))}
        for layer in LAYERS:
            for kind in ("weight", "bias"):
                state[f"convs.{layer[0]}.{kind}"] = weights[f"features.{layer[0]}.{kind}"]
        lpips.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        return lpips

    def forward(self, image: Tensor, photo: Tensor) -> Tensor:
        """Distance of sRGB pictures (N, 3, H, W) in [0, 1] from as many photos, or one for all: (N,), 0 for equal."""
        distances = []
        for head, x, y in zip(self.heads, self._features(image), self._features(photo), strict=True):
            squared = (F.normalize(x, dim=1, eps=1e-10) - F.normalize(y, dim=1, eps=1e-10)).square()
            distances.append((head * squared).sum(1).mean((1, 2)))
        return torch.stack(distances).sum(0)

    def _features(self, image: Tensor) -> list[Tensor]:
        """What each layer sees, rectified."""
        x = (2 * image - 1 - image.new_tensor(SHIFT).view(1, 3, 1, 1)) / image.new_tensor(SCALE).view(1, 3, 1, 1)
        features = []
        for at, conv in self.convs.items():
            x = F.relu(conv(F.max_pool2d(x, 3, 2) if int(at) in POOLED else x))
            features.append(x)
        return features
