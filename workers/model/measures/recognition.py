"""Is it still the product? A small classifier of clothes says whether it sees the same thing after styling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.model.vgg import Vgg

TAPS = ("relu3_4", "relu4_1")
PHOTOS_PER_CLASS = 24
LOOK_PX = 128
CLASSES_NEEDED = 2
RIDGE = 1.0


def label_of(photo: Path) -> str | None:
    """Return the class in a name like ``t-shirt_012.jpg``; None where the name has no such form."""
    found = re.fullmatch(r"([a-z][a-z-]*)_\d+", photo.stem)
    return found[1] if found else None


def labelled(photos: Sequence[Path], per_class: int = PHOTOS_PER_CLASS) -> dict[str, list[Path]]:
    """Photos by class, in the given order, at most ``per_class`` each; empty if there are fewer than two classes.

    A class is one that fills its number: a few photos that happen to be called ``a_1`` are none.
    """
    classes: dict[str, list[Path]] = {}
    for photo in photos:
        if label := label_of(photo):
            classes.setdefault(label, []).append(photo)
    full = {label: found[:per_class] for label, found in sorted(classes.items()) if len(found) >= per_class}
    return full if len(full) >= CLASSES_NEEDED else {}


@torch.inference_mode()
def pooled(pictures: Tensor, vgg: Vgg) -> Tensor:
    """Pictures (N, 3, H, W) in [0, 1] → (N, D): VGG-19 features at ``LOOK_PX`` at most, means of the four quarters."""
    height, width = pictures.shape[2:]
    factor = min(1.0, LOOK_PX / max(height, width))
    size = [max(1, round(height * factor)), max(1, round(width * factor))]
    features = vgg(F.interpolate(pictures, size=size, mode="bilinear", antialias=True).clamp(0, 1))
    return torch.cat([F.adaptive_avg_pool2d(features[tap].float(), 2).flatten(1) for tap in TAPS], 1)


class Recogniser:
    """Ridge regression of the classes on standardised ``pooled`` features: the highest score wins."""

    def __init__(self, examples: Tensor, classes: Tensor) -> None:
        """Learn from examples (N, D) and their classes (N,), counted from 0, in one solve of N equations."""
        self._std, self._mean = torch.std_mean(examples, 0, keepdim=True)
        x = self._standard(examples)
        targets = F.one_hot(classes).to(x.dtype)
        ridge = RIDGE * torch.eye(len(x), device=x.device)
        self._offset = targets.mean(0)
        self._weights = x.T @ torch.linalg.solve(x @ x.T / x.shape[1] + ridge, targets - self._offset) / x.shape[1]

    def classify(self, pooled_features: Tensor) -> Tensor:
        """(N, D) → the most likely class of each, (N,)."""
        best: Tensor = (self._standard(pooled_features) @ self._weights + self._offset).argmax(1)
        return best

    def _standard(self, x: Tensor) -> Tensor:
        return (x - self._mean) / (self._std + 1e-6)
