"""VGG-19 features, the eyes of the training: they judge pictures and are never part of a rendition.

K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
arXiv:1409.1556; weights CC BY 4.0. A file is expected in the channel-normalised form of Gatys et
al. (mean activation of every channel about 1), with torchvision's key names; ``normalised`` brings
torchvision's own weights into that form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from shared.errors import UsageError
from workers.model.generator import MEAN, STD

# (name, index in torchvision's vgg19().features, channels in, channels out); "pool" halves the size.
LAYERS: tuple[tuple[str, int, int, int] | Literal["pool"], ...] = (
    ("relu1_1", 0, 3, 64), ("relu1_2", 2, 64, 64), "pool",
    ("relu2_1", 5, 64, 128), ("relu2_2", 7, 128, 128), "pool",
    ("relu3_1", 10, 128, 256), ("relu3_2", 12, 256, 256), ("relu3_3", 14, 256, 256),
    ("relu3_4", 16, 256, 256), "pool",
    ("relu4_1", 19, 256, 512),
)  # fmt: skip

STYLE_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CONTENT_TAP = "relu3_3"


def view_px(layer: str) -> int:
    """Return how many pixels on a side one position of a layer sees: its receptive field."""
    seen, step = 1, 1
    for one in LAYERS:
        if isinstance(one, str):
            seen, step = seen + step, 2 * step
            continue
        seen += 2 * step
        if one[0] == layer:
            break
    return seen


class Vgg(nn.Module):
    """The convolutions of VGG-19 up to relu4_1, frozen."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleDict(
            {layer[0]: nn.Conv2d(layer[2], layer[3], 3, padding=1) for layer in LAYERS if not isinstance(layer, str)}
        )
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    @classmethod
    def load(cls, path: Path) -> Vgg:
        """Read the weights from a safetensors file. Raises UsageError if it is missing or foreign."""
        if not path.is_file():
            raise UsageError(
                f"no VGG-19 features at {path}: set ATELIER_VGG or --vgg to a safetensors file with the "
                "convolutions of VGG-19 up to relu4_1, channel-normalised, under torchvision's key names"
            )
        return cls.from_bytes(path.read_bytes(), str(path))

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Vgg:
        """Take the weights from the bytes of a safetensors file called ``name``. Raises UsageError if foreign."""
        try:
            return cls.from_weights(load_tensors(data))
        except (SafetensorError, KeyError, RuntimeError) as error:
            raise UsageError(
                f"{name} is damaged, or does not hold VGG-19 features as safetensors under torchvision's names"
            ) from error

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Vgg:
        """Take the weights from tensors under torchvision's names. Raises KeyError, RuntimeError if foreign."""
        vgg = cls()
        vgg.load_state_dict({own: weights[name].float() for own, name in _names().items()})
        return vgg

    def to_bytes(self) -> bytes:
        """Write the weights as ``from_bytes`` reads them, in half precision."""
        state = self.state_dict()
        return save_tensors({name: state[own].half().contiguous().cpu() for own, name in _names().items()})

    @torch.no_grad()
    def normalised(self, photos: Iterable[Tensor]) -> Vgg:
        """Return features whose channels have a mean activation of 1 over ``photos``, float (3, H, W) in [0, 1].

        Gatys et al. 2016, "Image Style Transfer Using Convolutional Neural Networks", section 2: each
        filter is divided by its mean activation over pictures and positions, and the next layer's
        weights make up for it, so that, rectified and max-pooled only, the network sees the same.
        A channel that no photo excites stays as it is.
        """
        found: dict[str, list[Tensor]] = {}
        for photo in photos:
            for name, features in self(photo[None]).items():
                found.setdefault(name, []).append(features.mean((0, 2, 3)).cpu())
        raw, state, before = self.state_dict(), {}, torch.ones(3)
        for name, each in found.items():
            means = torch.stack(each).mean(0)
            means[means == 0] = 1
            weight, bias = raw[f"convs.{name}.weight"].cpu(), raw[f"convs.{name}.bias"].cpu()
            state[f"convs.{name}.weight"] = weight * before.view(1, -1, 1, 1) / means.view(-1, 1, 1, 1)
            state[f"convs.{name}.bias"] = bias / means
            before = means
        vgg = Vgg()
        vgg.load_state_dict(state)
        return vgg

    def forward(self, image: Tensor, until: str = "relu4_1") -> dict[str, Tensor]:
        """(N, 3, H, W) RGB in [0, 1] → feature maps by layer name, as far as the layer ``until``."""
        x = (image - self.mean) / self.std
        features: dict[str, Tensor] = {}
        for layer in LAYERS:
            if isinstance(layer, str):
                x = F.max_pool2d(x, 2)
                continue
            features[layer[0]] = x = F.relu(self.convs[layer[0]](x))
            if layer[0] == until:
                break
        return features


def _names() -> dict[str, str]:
    """Torchvision's name of each weight, by our own."""
    return {
        f"convs.{layer[0]}.{kind}": f"features.{layer[1]}.{kind}"
        for layer in LAYERS
        if not isinstance(layer, str)
        for kind in ("weight", "bias")
    }
