"""Colour difference as people see it: CIEDE2000.

Sharma, Wu and Dalal 2005, "The CIEDE2000 Color-Difference Formula: Implementation Notes,
Supplementary Test Data, and Mathematical Observations".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Linear sRGB to XYZ (IEC 61966-2-1), rows divided by the white point D65, so that white is (1, 1, 1).
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


def to_lab(image: Tensor) -> Tensor:
    """sRGB (N, 3, H, W) in [0, 1] → CIELAB under D65, (N, 3, H, W): L in [0, 100], a and b about ±128."""
    linear = torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    matrix = image.new_tensor(_TO_XYZ)
    xyz = torch.einsum("ij,njhw->nihw", matrix / matrix.sum(1, keepdim=True), linear)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp_min(1e-9) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), 1)


def ciede2000(first: Tensor, second: Tensor) -> Tensor:
    """CIEDE2000 between CIELAB colours whose channels are in dimension 1: (N, 3, …) twice → (N, …).

    0 for equal colours, 1 is about the least difference that is seen, 100 is black to white.
    """
    l1, a1, b1 = first.unbind(1)
    l2, a2, b2 = second.unbind(1)
    chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * torch.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    c1, c2 = torch.hypot(a1 * stretch, b1), torch.hypot(a2 * stretch, b2)
    h1 = torch.atan2(b1, a1 * stretch) % (2 * math.pi)
    h2 = torch.atan2(b2, a2 * stretch) % (2 * math.pi)
    grey = c1 * c2 == 0

    turn = h2 - h1
    turn = turn - 2 * math.pi * ((turn > math.pi).to(turn) - (turn < -math.pi).to(turn))
    hue = 2 * torch.sqrt(c1 * c2) * torch.sin(torch.where(grey, torch.zeros_like(turn), turn) / 2)

    far = (h1 - h2).abs() > math.pi
    middle = (h1 + h2) / 2 + math.pi * (far & (h1 + h2 < 2 * math.pi)) - math.pi * (far & (h1 + h2 >= 2 * math.pi))
    middle = torch.where(grey, h1 + h2, middle)
    return _weighted(l2 - l1, c2 - c1, hue, ((l1 + l2) / 2, (c1 + c2) / 2, middle))


def _weighted(lightness: Tensor, chroma: Tensor, hue: Tensor, means: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Weigh the three differences by how finely the eye tells them apart around the mean colour."""
    mean_l, mean_c, mean_h = means
    t = (
        1
        - 0.17 * torch.cos(mean_h - math.radians(30))
        + 0.24 * torch.cos(2 * mean_h)
        + 0.32 * torch.cos(3 * mean_h + math.radians(6))
        - 0.20 * torch.cos(4 * mean_h - math.radians(63))
    )
    s_l = 1 + 0.015 * (mean_l - 50).square() / torch.sqrt(20 + (mean_l - 50).square())
    s_c = 1 + 0.045 * mean_c
    s_h = 1 + 0.015 * mean_c * t
    turn = math.radians(30) * torch.exp(-(((torch.rad2deg(mean_h) - 275) / 25) ** 2))
    rotation = -2 * torch.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)) * torch.sin(2 * turn)
    l, c, h = lightness / s_l, chroma / s_c, hue / s_h  # noqa: E741
    return torch.sqrt((l.square() + c.square() + h.square() + rotation * c * h).clamp_min(0))


def colour_drift(image: Tensor, photo: Tensor) -> Tensor:
    """Mean CIEDE2000 over the pixels of two sRGB pictures (N, 3, H, W) in [0, 1]: (N,), 0 for equal ones.

    ``photo`` may be one for all, (1, 3, H, W).
    """
    return ciede2000(to_lab(image), to_lab(photo)).mean((1, 2))
