"""Learning one new style: a row of its own on a trunk that stays as it is (transfer learning).

Only the normalisation parameters are learnt, from the row of the style that comes nearest to the new
one, so it takes minutes on a CPU and no other style's output changes by a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from shared.errors import UsageError
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.config import Stage, StyleSource, TrainConfig
from workers.model.dataset import centre_crop
from workers.model.generator import Architecture, AreaMoments, Generator
from workers.model.learning.run import Run
from workers.model.learning.training import Diverged, Progress, TrainingData, train, validate
from workers.model.style_statistics import StyleError, look, picked, style_of
from workers.model.vgg import Vgg

CROP_PX = 192
TRIAL_CROPS = 4
"""Crops on which the existing styles are compared with the new one."""

STRENGTH_CROPS = 16
"""Crops that say how much a style asks of a photo."""


@dataclass(frozen=True)
class LearntRow:
    """A new row, the style it began from, and its errors on held-out photos: of style before and after, all after."""

    row: bytes
    began_from: str
    error_before: float
    error_after: float
    errors_after: Mapping[str, float]


def row_config(style: StyleSource, architecture: Architecture, steps: int, *, half: bool = False) -> TrainConfig:
    """Return the built-in way to learn a row; ``half`` for devices that are quicker with bfloat16.

    The style's own weight is led by ``style_target``: a strong painting gets what it needs, and one that
    is soon imitated leaves the rest to the content. ``suited`` adapts both to pale styles.
    """
    return TrainConfig(
        styles=(style,),
        stages=(Stage(steps, crop_px=CROP_PX, crops=2, rate=1e-2, final_rate=1e-3, style_target=0.3),),
        architecture=architecture,
        depth="style",
        precision="bfloat16" if half else "float32",
        warmup_steps=10,
        ema_decay=0.98,
        validate_every=steps,
    )


@torch.no_grad()
def suited(config: TrainConfig, data: TrainingData, vgg: Vgg) -> TrainConfig:
    """Return the way to learn a row with a style weight and target that suit the strength of its style.

    Unstyled photos are about as far from a painting as a blank picture is, 1, and far above that from a pale,
    flat picture, whose covariances are so small that any product stands out: to take such an error down to a
    painting's means to wipe the product out. So error and target are counted in what the photos have.
    """
    crops = torch.stack([centre_crop(photo, CROP_PX) for photo in data.photos.train[:STRENGTH_CROPS]])
    crops = crops.to(vgg.mean.device)
    errors = torch.cat([_error(crop[None, :3], crop[None, 3:], data, vgg).covariance for crop in crops])
    allowance = max(1.0, float(errors.median()))
    stages = tuple(replace(stage, style_target=stage.style_target * allowance) for stage in config.stages)
    return replace(config, stages=stages, style_weight=config.style_weight / allowance)


def learn_row(
    config: TrainConfig,
    known: Checkpoint,
    data: TrainingData,
    vgg: Vgg,
    *,
    device: torch.device,
    report: Callable[[Progress], None],
) -> LearntRow:
    """Learn the row of the one style of ``config`` for a trunk, from the nearest row of ``known``.

    Raises Diverged if the loss stops being finite or the row is no better in the end than at the start.
    """
    generator = trunk_from_bytes(known.trunk).to(device).to(memory_format=torch.channels_last)
    nearest = nearest_row(generator, known.rows, data, vgg)
    (style,) = config.styles
    # The starting checkpoint knows the new style under its name, by the other's row.
    run = Run(config, replace(known, rows={style.name: known.rows[nearest]}, styles=config.styles), device)
    before = validate(run, data, vgg)
    with TemporaryDirectory(prefix="atelier-") as folder:
        checkpoint = train(run, data, vgg, Path(folder), report=report)
    after = validate(run, data, vgg)
    if checkpoint is None or not after["validation"] < before["validation"]:
        raise Diverged(
            f"the style was not learnt: the loss on held-out photos went from {before['validation']:.3f} to "
            f"{after['validation']:.3f}; try more steps, other photos or another style image"
        )
    row = checkpoint.rows[style.name]
    row_from_bytes(row)  # half precision must hold it
    return LearntRow(row, nearest, before["style"], after["style"], after)


def nearest_row(generator: Generator, rows: Mapping[str, bytes], data: TrainingData, vgg: Vgg) -> str:
    """Return the style whose renditions of some photos have the least style error against the new one."""
    if not rows:
        raise UsageError("the trunk has no style yet to begin from: train one with `atelier train`")
    crops = torch.stack([centre_crop(photo, CROP_PX) for photo in data.photos.train[:TRIAL_CROPS]])
    crops = crops.to(vgg.mean.device)
    errors = {name: _trial(generator, row_from_bytes(row).to(crops), crops, data, vgg) for name, row in rows.items()}
    return min(errors, key=lambda name: errors[name])


@torch.no_grad()
def _trial(generator: Generator, row: Tensor, crops: Tensor, data: TrainingData, vgg: Vgg) -> float:
    photos, areas = crops[:, :3], crops[:, 3:]
    painted = generator(photos, row.expand(len(crops), -1), AreaMoments(areas))
    return float(_error(areas * painted + (1 - areas) * photos, areas, data, vgg).weighted.mean())


def _error(pictures: Tensor, areas: Tensor, data: TrainingData, vgg: Vgg) -> StyleError:
    """How far pictures (N, 3, H, W) are, over areas (N, 1, H, W), from the one style of ``data``."""
    wanted = picked(data.styles.statistics, torch.zeros(len(pictures), dtype=torch.long))
    facets = torch.zeros(len(pictures), dtype=torch.bool, device=pictures.device)
    return StyleError.between(style_of(look(pictures, vgg), areas), wanted, facets)
