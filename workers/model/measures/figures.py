"""A photo in a few figures, cheap and without a network, by which populations of photos are told apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as T

from workers.model.measures.colour_difference import to_lab

LOOKED_AT_PX = 128
NEAR_WHITE = 245
EDGE = 8.0
"""Step in lightness between neighbouring pixels, of 100, that counts as an edge."""


@torch.no_grad()
def figures(photo: Tensor) -> dict[str, float]:
    """Measure a photo, uint8 (3, H, W): means and deviations of its CIELAB channels, and what fills it.

    ``white`` is the share of nearly white pixels, ``edges`` that of pixels on an edge, ``aspect`` the logarithm of
    width over height. All but the last are taken at ``LOOKED_AT_PX`` on the longer side.
    """
    height, width = photo.shape[1:]
    factor = LOOKED_AT_PX / max(height, width)
    small = T.resize(photo, [max(2, round(height * factor)), max(2, round(width * factor))], antialias=True)
    lab = to_lab(small[None].float() / 255)[0]
    lightness = lab[0]
    steps = torch.maximum(lightness.diff(dim=1)[1:].abs(), lightness.diff(dim=0)[:, 1:].abs())
    found = {
        "white": float((small.amin(0) >= NEAR_WHITE).float().mean()),
        "edges": float((steps > EDGE).float().mean()),
        "aspect": math.log(width / height),
    }
    for name, channel in zip(("lightness", "a", "b"), lab, strict=True):
        found[name] = float(channel.mean())
        found[f"{name}_deviation"] = float(channel.std())
    return {name: round(value, 5) for name, value in found.items()}
