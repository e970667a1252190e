"""The objective of the training: what is wrong with a rendition, term by term, and how much each counts.

    L = λ_content · content + λ_style · style + λ_structure · structure + λ_edge · edge + λ_tone · tone
      + λ_chroma · chroma + λ_stability · stability + λ_tv · tv + λ_adversarial · adversarial

What is judged is what production makes of a crop: the generator's statistics are taken over the painted area, and
the kept background lies over the paint. Style, structure, edges, tone and chroma count over the painted area only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workers.model.config import Stage
from workers.model.generator import AreaMoments
from workers.model.learning.discriminator import adversarial_error
from workers.model.learning.run import Run
from workers.model.learning.style_set import StyleSet
from workers.model.losses import (
    amplification,
    chroma_error,
    content_error,
    edge_error,
    structure_error,
    tone_error,
    total_variation,
)
from workers.model.ssim import Similarity
from workers.model.style_statistics import CONTENT, StyleError, look, middle, picked, style_of
from workers.model.vgg import Vgg

CONTENT_SCALE = int(CONTENT.partition("/")[0])

NOISE_SIGMA = (0.02, 0.04)
"""Range of the noise, of a tonal range of 1, that a rendition should not mind."""


@dataclass(frozen=True)
class Minibatch:
    """Crops (N, 4, S, S), photo and painted area, and the style of each by its place in the config, (N,)."""

    crops: Tensor
    picks: Tensor

    @property
    def photos(self) -> Tensor:
        """(N, 3, S, S) in [0, 1]."""
        return self.crops[:, :3].contiguous(memory_format=torch.channels_last)

    @property
    def area(self) -> Tensor:
        """(N, 1, S, S), 1 where the photo is painted and measured."""
        return self.crops[:, 3:]


@dataclass(frozen=True)
class Verdict:
    """What was found about a minibatch: the weighted loss, a scalar to descend, its terms per crop, the rendition.

    ``terms`` by name, (N,), and ``painted`` (N, 3, H, W) are detached. ``validation`` is the weighted sum of the
    terms that compare from step to step, with all styles alike, (N,).
    """

    loss: Tensor
    terms: dict[str, Tensor]
    validation: Tensor
    painted: Tensor


def judge(run: Run, stage: Stage, styles: StyleSet, vgg: Vgg, minibatch: Minibatch, rng: torch.Generator) -> Verdict:
    """Paint crops in their styles and weigh what is wrong with the result.

    ``rng`` is drawn from only where the stability counts. ``covariance`` is among the terms, but has no weight of
    its own: it is the part of ``style`` by which the styles are balanced.
    """
    config = run.config
    photos, area, picks = minibatch.photos, minibatch.area, minibatch.picks
    painted = _painted(run, photos, area, picks)
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
        with torch.no_grad():
            wanted = look(photos, vgg, [CONTENT_SCALE])[CONTENT].float()
        fine, features = look(middle(painted), vgg, [1]), look(painted, vgg, [2, 4])
    facets = torch.tensor([style.facets for style in config.styles], device=run.device)[picks]
    found = style_of(fine, middle(area)) | style_of(features, area)
    style = StyleError.between(found, picked(styles.statistics, picks), facets)
    similar = Similarity.between(painted, photos)
    terms = {
        "content": content_error(features[CONTENT].float(), wanted),
        "style": style.weighted,
        "structure": structure_error(similar, area),
        "edge": edge_error(similar, area),
        "tone": tone_error(painted, photos, area),
        "chroma": chroma_error(painted, photos, area),
    }
    weights = {name: float(getattr(config, f"{name}_weight")) for name in terms}
    if stage.stability_weight:
        terms["stability"] = _instability(run, photos, area, picks, painted, rng)
        weights["stability"] = stage.stability_weight
    own = weights | {"style": run.style_weights[picks]}
    each = sum(own[name] * term for name, term in terms.items()) + config.tv_weight * total_variation(painted)
    if run.discriminator is not None:
        run.discriminator.requires_grad_(False)
        fooled = adversarial_error(run.discriminator(painted, picks), config.adversarial)
        each = each + config.adversarial_weight * fooled
        run.discriminator.requires_grad_(True)
    terms = {name: term.detach() for name, term in terms.items()}
    validation = torch.stack([weights[name] * term for name, term in terms.items()]).sum(0)
    return Verdict(each.mean(), terms | {"covariance": style.covariance.detach()}, validation, painted.detach())


def with_noise(photos: Tensor, rng: torch.Generator) -> Tensor:
    """Add Gaussian noise to photos (N, 3, H, W) in [0, 1], of a strength drawn for each."""
    low, high = NOISE_SIGMA
    sigma = low + (high - low) * torch.rand(len(photos), 1, 1, 1, generator=rng)
    # The noise itself is made on the device, from a seed of the run's: it is millions of numbers each step.
    own = torch.Generator(photos.device).manual_seed(int(torch.randint(2**62, (), generator=rng)))
    noise = torch.randn(photos.shape, generator=own, device=photos.device)
    return (photos + sigma.to(photos.device) * noise).clamp(0, 1)


def _instability(
    run: Run, photos: Tensor, area: Tensor, picks: Tensor, painted: Tensor, rng: torch.Generator
) -> Tensor:
    """How much a little noise on the photos changes the renditions, (N,).

    The gradient goes through both renditions: what they share cancels, which leaves it far less noisy
    than a comparison with a fixed rendition.
    """
    noisy = with_noise(photos, rng).contiguous(memory_format=torch.channels_last)
    return amplification(_painted(run, noisy, area, picks) - painted, noisy - photos)


def _painted(run: Run, photos: Tensor, area: Tensor, picks: Tensor) -> Tensor:
    """Paint photos in the precision of the run, their background kept: (N, 3, S, S) in [0, 1], fp32."""
    photo = photos.bfloat16() if run.config.precision == "bfloat16" else photos
    painted = run.generator(photo, run.rows[picks], AreaMoments(area))
    composed: Tensor = area * painted + (1 - area) * photos
    return composed
