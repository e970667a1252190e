"""The training loop: resumable, and paused at any deadline."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from workers.mask.learning.composition import Example, compose_example
from workers.mask.learning.config import MaskTrainConfig
from workers.mask.learning.cutouts import Cutout
from workers.mask.network import MaskNetwork

SAVE_EVERY_SECONDS = 120.0

VALIDATION_SEED, VALIDATION_PICTURES = 2026, 48

VALIDATE_EVERY = 100


@dataclass(frozen=True)
class MaskData:
    """Cut-outs and scenes to learn from, and those to validate with."""

    cutouts: Sequence[Cutout]
    scenes: Sequence[Image.Image]
    validation: Sequence[Example]

    @classmethod
    def of(
        cls,
        learnt: tuple[Sequence[Cutout], Sequence[Image.Image]],
        validation: tuple[Sequence[Cutout], Sequence[Image.Image]],
        px: int,
    ) -> MaskData:
        """Take cut-outs and scenes of both sides; the validation pictures are composed once, always the same."""
        rng = np.random.default_rng(VALIDATION_SEED)
        return cls(*learnt, [compose_example(*validation, px, rng) for _ in range(VALIDATION_PICTURES)])


class MaskRun:
    """The state of a training run: network, running mean of its weights, optimiser, and step."""

    def __init__(self, config: MaskTrainConfig, trunk: dict[str, Tensor] | None) -> None:
        torch.manual_seed(config.seed)
        self.config, self.step = config, 0
        self.network = MaskNetwork().to(memory_format=torch.channels_last)
        if trunk is not None:
            self.network.trunk.load_state_dict(trunk)
        self.mean = AveragedModel(
            self.network,
            multi_avg_fn=get_ema_multi_avg_fn(config.average),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        trunk_parameters = list(self.network.trunk.parameters())
        known = {id(parameter) for parameter in trunk_parameters}
        others = [parameter for parameter in self.network.parameters() if id(parameter) not in known]
        self.optimiser = torch.optim.AdamW(
            [{"params": trunk_parameters, "share": config.trunk_rate}, {"params": others, "share": 1.0}],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )

    def start_from(self, network: MaskNetwork) -> None:
        """Take over the weights of a trained network, before the first step."""
        self.network.load_state_dict(network.state_dict())
        self.mean.module.load_state_dict(network.state_dict())

    def learn(self, rgb: Tensor, mask: Tensor) -> float:
        """Take one step with photos, float (n, 3, px, px), and masks (n, 1, px, px); return the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * group["share"] * rate_share(self.step, self.config)
        self.network.train()
        freeze_statistics(self.network.trunk)
        with torch.autocast(rgb.device.type, dtype=torch.bfloat16):
            logits = self.network(rgb.to(memory_format=torch.channels_last))
        loss = mask_loss(logits.float(), mask, self.config)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.mean.update_parameters(self.network)
        self.step += 1
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """Write the whole state, so that a reader never sees half of it."""
        state = {"step": self.step, "network": self.network.state_dict(), "mean": self.mean.state_dict()}
        unfinished = path.with_suffix(".partial")
        torch.save(state | {"optimiser": self.optimiser.state_dict()}, unfinished)
        unfinished.replace(path)

    def restore(self, path: Path) -> None:
        """Continue from a state that ``save`` wrote."""
        state = torch.load(path, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])

    @property
    def averaged(self) -> MaskNetwork:
        """The network with the running mean of its weights, in evaluation mode."""
        return cast(MaskNetwork, self.mean.module.eval())


def train_masks(
    run: MaskRun,
    data: MaskData,
    out: Path,
    *,
    deadline_seconds: float,
    report: Callable[[int, float, float | None], None],
) -> bool:
    """Train until the last step or the deadline; tells ``report`` step, loss and validation IoU. True if finished."""
    config, started, saved = run.config, time.monotonic(), time.monotonic()
    while run.step < config.steps:
        rgb, mask = stacked(minibatch(data, run.step, config))
        loss = run.learn(rgb, mask)
        done = run.step == config.steps
        report(run.step, loss, validate(run, data) if done or run.step % VALIDATE_EVERY == 0 else None)
        late = time.monotonic() - started > deadline_seconds
        if done or late or time.monotonic() - saved > SAVE_EVERY_SECONDS:
            run.save(out / "state.pt")
            saved = time.monotonic()
        if late:
            break
    return run.step >= config.steps


def minibatch(data: MaskData, step: int, config: MaskTrainConfig) -> list[Example]:
    """Compose the pictures of one step; they follow from the seed and the step alone."""
    rng = np.random.default_rng((config.seed, step))
    return [compose_example(data.cutouts, data.scenes, config.px, rng) for _ in range(config.minibatch)]


def stacked(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Return photos, float (n, 3, px, px), and masks, float (n, 1, px, px), both in [0, 1]."""
    rgb = torch.from_numpy(np.stack([example.rgb for example in examples])).permute(0, 3, 1, 2)
    mask = torch.from_numpy(np.stack([example.mask for example in examples]))[:, None]
    return rgb.float() / 255, mask.float() / 255


def mask_loss(logits: Tensor, mask: Tensor, config: MaskTrainConfig) -> Tensor:
    """Cross-entropy, heavier along the outline, and 1 − soft IoU of each picture with a product.

    The pixels near an outline count more as in F³Net (J. Wei et al., AAAI 2020): by how far a mask differs from its
    own local mean.
    """
    near = (F.avg_pool2d(mask, 31, stride=1, padding=15, count_include_pad=False) - mask).abs()
    weight = 1 + config.edge * near
    entropy = F.binary_cross_entropy_with_logits(logits, mask, weight)
    chance = torch.sigmoid(logits)
    shared, either = (weight * chance * mask).sum((1, 2, 3)), (weight * (chance + mask - chance * mask)).sum((1, 2, 3))
    shown = mask.amax((1, 2, 3)) > 0.5
    overlap = ((1 - (shared + 1) / (either + 1)) * shown).sum() / shown.sum().clamp(min=1)
    return entropy + config.overlap * overlap


def rate_share(step: int, config: MaskTrainConfig) -> float:
    """Share of the learning rate at a step: linear at first, then half a cosine down to a hundredth."""
    if step < config.warm_up:
        return (step + 1) / config.warm_up
    progress = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def freeze_statistics(module: nn.Module) -> None:
    """Keep the running statistics of the normalisations as they are: a minibatch is too small for better ones."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


@torch.inference_mode()
def validate(run: MaskRun, data: MaskData) -> float:
    """Return the mean IoU of the averaged network on the validation pictures that show a product."""
    network, overlaps = run.averaged, []
    for first in range(0, len(data.validation), 8):
        rgb, mask = stacked(data.validation[first : first + 8])
        found, true = network(rgb.to(memory_format=torch.channels_last)) > 0, mask > 0.5
        shared, either = (found & true).sum((1, 2, 3)), (found | true).sum((1, 2, 3))
        overlaps += (shared / either)[true.any(1).any(1).any(1)].tolist()
    return float(np.mean(overlaps)) if overlaps else 0.0
