"""How much does a small change of the photo change its rendition?

What a shop's photos go through on the way, and nobody sees, must not show in the rendition: sensor noise,
JPEG and WebP, a crop that is a few pixels off (the perturbations of stability training, Zheng et al. 2016,
arXiv:1604.04326). A network is given as a function of one photo (1, 3, H, W), RGB in [0, 1], to its renditions
in S styles, (S, 3, H, W).
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Network = Callable[[Tensor], Tensor]

NOISE = 4 / 255
SHIFTS_PX = (1, 2, 3, 4)
"""The trunk works at a quarter of the resolution, so a shift by 4 px is one of its steps and the others are not."""

MARGIN_PX = 16
"""What is cut from each side of a picture large enough before shifted renditions are compared: the padding differs."""

PERTURBATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "noise": lambda photo: noisy(photo, NOISE),
    "jpeg_75": lambda photo: reencoded(photo, "JPEG", 75),
    "jpeg_50": lambda photo: reencoded(photo, "JPEG", 50),
    "webp_75": lambda photo: reencoded(photo, "WEBP", 75),
}
MEASURES = (*PERTURBATIONS, *(f"shift_{px}" for px in SHIFTS_PX))


@torch.inference_mode()
def robustness(network: Network, photo: Tensor) -> list[dict[str, float]]:
    """Perturb a photo in every way; return for each of S styles a figure per name in ``MEASURES``.

    ``amplification`` for what changes the pixels, ``shift_error`` for the shifts. Lower is better.
    """
    most = max(SHIFTS_PX)
    height, width = photo.shape[2] - most, photo.shape[3] - most
    upright = photo[:, :, :height, :width]
    painted = network(upright)
    found = {}
    for name, perturb in PERTURBATIONS.items():
        perturbed = perturb(upright)
        found[name] = amplification(network(perturbed), painted, perturbed, upright)
    for px in SHIFTS_PX:
        shifted = network(photo[:, :, px : px + height, px : px + width])
        found[f"shift_{px}"] = shift_error(shifted, painted, px)
    return [dict(zip(found, values, strict=True)) for values in torch.stack(list(found.values()), 1).tolist()]


def amplification(perturbed_rendition: Tensor, rendition: Tensor, perturbed: Tensor, photo: Tensor) -> Tensor:
    """RMS change of the renditions over RMS change of the photo, (S,): 1 for the identity, 0 for a constant."""
    return _rms(perturbed_rendition - rendition) / _rms(perturbed - photo)


def shift_error(shifted: Tensor, rendition: Tensor, px: int) -> Tensor:
    """RMS change after a shift is undone, over the rendition's contrast, (S,): 0 where the paint moves along.

    ``shifted`` shows what lies ``px`` further down and to the right; contrast is the standard deviation of
    the rendition about the mean of each channel. √2 for a picture that has nothing to do with the other.
    """
    height, width = rendition.shape[2:]
    margin = min(MARGIN_PX, (min(height, width) - px) // 4)
    here = rendition[:, :, px + margin : height - margin, px + margin : width - margin]
    there = shifted[:, :, margin : height - px - margin, margin : width - px - margin]
    contrast = _rms(here - here.mean((2, 3), keepdim=True))
    return _rms(there - here) / contrast.clamp_min(1e-6)


def noisy(photo: Tensor, sigma: float) -> Tensor:
    """Add Gaussian noise, the same for every photo of one size."""
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    return (photo + sigma * noise.to(photo.device)).clamp(0, 1)


def reencoded(photo: Tensor, format: str, quality: int) -> Tensor:
    """Encode a photo (1, 3, H, W) with Pillow, and decode it."""
    pixels = (photo[0] * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format, quality=quality)
    with Image.open(file) as image:
        decoded = torch.from_numpy(np.array(image.convert("RGB")))
    return (decoded.permute(2, 0, 1)[None].float() / 255).to(photo.device)


def _rms(x: Tensor) -> Tensor:
    """Root mean square per picture: (N, C, H, W) → (N,)."""
    return x.float().square().mean((1, 2, 3)).sqrt()
