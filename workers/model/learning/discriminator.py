"""The style-conditional patch discriminator: does this patch come from a painting in that style?

Patches as in Isola et al. 2017 (PatchGAN, arXiv:1611.07004), the style as a projection (Miyato and
Koyama 2018, arXiv:1802.05637), spectral normalisation (Miyato et al. 2018, arXiv:1802.05957) and, by
choice, the hinge loss (Lim and Ye 2017, arXiv:1705.02894) or least squares (Mao et al. 2017,
arXiv:1611.04076). It serves the training only.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2


class Discriminator(nn.Module):
    """Judges overlapping patches of 46 pixels."""

    def __init__(self, styles: int, width: int = 32) -> None:
        super().__init__()
        sizes = (3, width, 2 * width, 4 * width)
        self.convs = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, 2, 1, padding_mode="reflect")) for a, b in pairwise(sizes)
        )
        self.judge = spectral_norm(nn.Conv2d(sizes[-1], 1, 4, 1, 1, padding_mode="reflect"))
        self.style = spectral_norm(nn.Embedding(styles, sizes[-1]))

    def forward(self, image: Tensor, styles: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] and style numbers (N,) → (N, 1, ·, ·): above 0 for "painted in that style"."""
        x = 2 * image - 1
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE)
        fits = (x * self.style(styles)[..., None, None]).sum(1, keepdim=True) / x.shape[1]
        judged: Tensor = self.judge(x)
        return judged + F.adaptive_avg_pool2d(fits, (judged.shape[2], judged.shape[3]))


def discriminator_loss(real: Tensor, fake: Tensor, adversarial: str) -> Tensor:
    """Loss of the discriminator over its verdicts on paintings and on renditions: a scalar.

    ``adversarial`` is ``hinge`` (verdicts led beyond 1 and −1) or ``least_squares`` (led to 1 and −1).
    """
    if adversarial == "least_squares":
        return ((real - 1).square().mean() + (fake + 1).square().mean()) / 2
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def adversarial_error(fake: Tensor, adversarial: str) -> Tensor:
    """How much the renditions fall short of passing for paintings: verdicts (N, 1, ·, ·) → (N,)."""
    short = (fake - 1).square() / 2 if adversarial == "least_squares" else -fake
    error: Tensor = short.mean(dim=(1, 2, 3))
    return error


def random_patches(images: tuple[tuple[Tensor, ...], ...], styles: Tensor, px: int, rng: torch.Generator) -> Tensor:
    """Cut a random square of each style (N,) from one of its images: float (N, 3, px, px) in [0, 1].

    An image smaller than the square is enlarged.
    """
    patches = []
    for style in styles.tolist():
        draw = torch.rand(3, generator=rng).tolist()
        image = images[style][int(draw[0] * len(images[style]))].float() / 255
        factor = px / min(image.shape[1:])
        if factor > 1:
            size = [max(px, round(side * factor)) for side in image.shape[1:]]
            image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
        top, left = (int(d * (side - px + 1)) for d, side in zip(draw[1:], image.shape[1:], strict=True))
        patches.append(image[:, top : top + px, left : left + px])
    return torch.stack(patches)
