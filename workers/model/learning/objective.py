"""The objective of the training: what is wrong with a rendition, term by term, and how much each counts.

    L = λ_content · content + λ_style · style + λ_coarse · coarse style + λ_structure · structure + λ_edge · edge
      + λ_stability · stability + λ_tv · tv + λ_adversarial · adversarial

A term whose weight is 0 costs nothing; content, style and structure are always measured, for the curves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workers.model.learning.discriminator import adversarial_error
from workers.model.learning.run import Run
from workers.model.learning.style_set import StyleSet
from workers.model.losses import (
    amplification,
    content_error,
    edge_error,
    grams,
    halved,
    structure_error,
    style_error,
    total_variation,
)
from workers.model.vgg import CONTENT_TAP, Vgg

NOISE_SIGMA = (0.02, 0.04)
"""Range of the noise, of a tonal range of 1, that a rendition should not mind."""


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


def judge(run: Run, styles: StyleSet, vgg: Vgg, crops: Tensor, picks: Tensor, rng: torch.Generator) -> Verdict:
    """Paint crops (N, 3, S, S) in the styles ``picks`` (N,) and weigh what is wrong with the result.

    ``rng`` is drawn from only where the stability counts.
    """
    config = run.config
    crops = crops.contiguous(memory_format=torch.channels_last)
    painted = _painted(run, crops, picks)
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
        with torch.no_grad():
            wanted = vgg(crops, until=CONTENT_TAP)[CONTENT_TAP].float()
        features = vgg(painted)
        coarse = vgg(halved(painted)) if config.coarse_style_weight else {}
    terms = {
        "content": content_error(features[CONTENT_TAP].float(), wanted),
        "style": style_error(grams(features), {tap: known[picks] for tap, known in styles.grams.items()}),
        "structure": structure_error(painted, crops),
    }
    weights = {"content": config.content_weight, "style": config.style_weight, "structure": config.structure_weight}
    if config.coarse_style_weight:
        targets = {tap: known[picks] for tap, known in styles.coarse_grams.items()}
        terms["coarse_style"] = style_error(grams(coarse), targets)
        weights["coarse_style"] = config.coarse_style_weight
    if config.edge_weight:
        terms["edge"] = edge_error(painted, crops)
        weights["edge"] = config.edge_weight
    if config.stability_weight:
        terms["stability"] = _instability(run, crops, picks, painted, rng)
        weights["stability"] = config.stability_weight
    own = weights | {"style": run.style_weights[picks]}
    if config.coarse_style_weight and config.style_weight:  # what a style is given or spared holds at both scales
        own["coarse_style"] = config.coarse_style_weight * run.style_weights[picks] / config.style_weight
    each = sum(own[name] * term for name, term in terms.items()) + config.tv_weight * total_variation(painted)
    if run.discriminator is not None:
        run.discriminator.requires_grad_(False)
        fooled = adversarial_error(run.discriminator(painted, picks), config.adversarial)
        each = each + config.adversarial_weight * fooled
        run.discriminator.requires_grad_(True)
    terms = {name: term.detach() for name, term in terms.items()}
    validation = torch.stack([weights[name] * term for name, term in terms.items()]).sum(0)
    return Verdict(each.mean(), terms, validation, painted.detach())


def with_noise(photos: Tensor, rng: torch.Generator) -> Tensor:
    """Add Gaussian noise to photos (N, 3, H, W) in [0, 1], of a strength drawn for each."""
    low, high = NOISE_SIGMA
    sigma = low + (high - low) * torch.rand(len(photos), 1, 1, 1, generator=rng)
    # The noise itself is made on the device, from a seed of the run's: it is millions of numbers each step.
    own = torch.Generator(photos.device).manual_seed(int(torch.randint(2**62, (), generator=rng)))
    noise = torch.randn(photos.shape, generator=own, device=photos.device)
    return (photos + sigma.to(photos.device) * noise).clamp(0, 1)


def _instability(run: Run, crops: Tensor, picks: Tensor, painted: Tensor, rng: torch.Generator) -> Tensor:
    """How much a little noise on the photos changes the renditions, (N,).

    The gradient goes through both renditions: what they share cancels, which leaves it far less noisy
    than a comparison with a fixed rendition.
    """
    noisy = with_noise(crops, rng).contiguous(memory_format=torch.channels_last)
    return amplification(_painted(run, noisy, picks) - painted, noisy - crops)


def _painted(run: Run, crops: Tensor, picks: Tensor) -> Tensor:
    """Paint crops in the precision of the run: (N, 3, S, S) in [0, 1], fp32."""
    painted: Tensor = run.generator(crops.bfloat16() if run.config.precision == "bfloat16" else crops, run.rows[picks])
    return painted
