"""Training the generator: the loop of Johnson et al. with conditional normalisation, resumable.

A run lives in a folder: ``state.safetensors`` (weights, averages, optimiser and random state, from
which it resumes exactly), ``log.jsonl`` (the curves), and at the end the checkpoint.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from shared.errors import InvalidInput, UsageError
from workers.model.checkpoint import (
    Checkpoint,
    row_from_bytes,
    row_to_bytes,
    trunk_from_bytes,
    trunk_to_bytes,
)
from workers.model.config import Stage, TrainConfig
from workers.model.dataset import PhotoSet, centre_crop, load_image, random_crop
from workers.model.generator import Generator, neutral_row
from workers.model.losses import content_error, grams, structure_error, style_error, total_variation
from workers.model.vgg import CONTENT_TAP, Vgg

VALIDATION_PHOTOS = 8
BALANCE_RATE = 0.03
BALANCE_RANGE = 4.0
"""A style's own weight moves by at most this factor up or down."""


class Diverged(InvalidInput):
    """The loss is no longer a number; nothing was overwritten."""

    code = "training_diverged"


@dataclass(frozen=True)
class Progress:
    """Where a run stands, handed to the caller after each step."""

    step: int
    steps: int
    loss: float
    content: float
    style: float
    seconds: float


class Run:
    """One training run in memory: trunk, rows, their moving averages, optimiser and random state."""

    def __init__(self, config: TrainConfig, start: Checkpoint | None, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        self.generator = trunk_from_bytes(start.trunk) if start else Generator(config.architecture)
        if self.generator.architecture != config.architecture:
            raise UsageError("the architecture of the config differs from that of the checkpoint to start from")
        self.generator.dropout.p = config.dropout
        self.generator.to(device).to(memory_format=torch.channels_last).train()
        self.generator.requires_grad_(config.depth == "all")
        self.rows = nn.Parameter(self._first_rows(start).to(device))
        self.learnt = [p for p in (*self.generator.parameters(), self.rows) if p.requires_grad]
        self.averages = [p.detach().clone() for p in self.learnt]
        self.style_weights = torch.full((len(config.styles),), config.style_weight, device=device)
        self.optimiser = self._optimiser()
        self.rng = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0

    def _optimiser(self) -> torch.optim.Optimizer:
        trunk = [p for p in self.learnt if p is not self.rows]
        groups = [{"params": trunk, "factor": 1.0}] if trunk else []
        groups.append({"params": [self.rows], "factor": self.config.row_rate_factor})
        return torch.optim.Adam(groups, lr=1e-3, weight_decay=self.config.weight_decay)

    def balance(self, styles: Tensor, errors: Tensor) -> None:
        """Give styles (N,) whose errors (N,) are above the target more weight, the others less.

        A dual ascent on "style error = target" (Platt and Barr 1988, constrained differential
        optimisation): strong and weak styles end equally far from their painting, and what is to spare
        goes to the content.
        """
        if self.config.style_target <= 0:
            return
        base = self.config.style_weight
        for style, error in zip(styles.tolist(), errors.tolist(), strict=True):
            step = math.exp(BALANCE_RATE * max(-1.0, min(1.0, error / self.config.style_target - 1)))
            moved = float(self.style_weights[style]) * step
            self.style_weights[style] = min(base * BALANCE_RANGE, max(base / BALANCE_RANGE, moved))

    def _first_rows(self, start: Checkpoint | None) -> Tensor:
        """A style known to the starting checkpoint goes on from its row, a new one from the mean row."""
        if start is None:
            return neutral_row(self.config.architecture).repeat(len(self.config.styles), 1)
        known = {name: row_from_bytes(data) for name, data in start.rows.items()}
        mean = torch.stack(list(known.values())).mean(0)
        return torch.stack([known.get(style.name, mean) for style in self.config.styles])

    def save(self, path: Path) -> None:
        """Write the state atomically, so that a kill at any moment leaves a whole one."""
        tensors = {f"trunk.{k}": v for k, v in self.generator.state_dict().items()} | {"rows": self.rows}
        for index, average in enumerate(self.averages):
            tensors[f"average.{index}"] = average
        for index, slots in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in slots.items()}
        tensors["style_weights"] = self.style_weights
        tensors["rng"] = self.rng.get_state()
        tensors["torch_rng"] = torch.get_rng_state()
        tensors["clock"] = torch.tensor([self.step, self.seconds], dtype=torch.float64)
        partial = path.with_suffix(".partial")
        save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on exactly where ``save`` left off (bit for bit on the CPU)."""
        tensors = load_file(path)
        self.generator.load_state_dict(
            {k.removeprefix("trunk."): v for k, v in tensors.items() if k.startswith("trunk.")}
        )
        with torch.no_grad():
            self.rows.copy_(tensors["rows"])
        self.averages = [tensors[f"average.{i}"].to(self.device) for i in range(len(self.averages))]
        state = self.optimiser.state_dict()
        state["state"] = {
            i: {name: tensors[f"adam.{i}.{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
            for i in range(len(self.learnt))
            if f"adam.{i}.step" in tensors
        }
        self.optimiser.load_state_dict(state)
        self.style_weights = tensors["style_weights"].to(self.device)
        self.rng.set_state(tensors["rng"])
        torch.set_rng_state(tensors["torch_rng"])
        self.step, self.seconds = int(tensors["clock"][0]), float(tensors["clock"][1])
        _forget_after(path.with_name("log.jsonl"), self.step)

    def average(self) -> None:
        """Move the exponential averages towards the present weights; faster in the first steps."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for average, parameter in zip(self.averages, self.learnt, strict=True):
            average.lerp_(parameter.detach(), 1 - decay)

    def checkpoint(self, provenance: dict[str, Any]) -> Checkpoint:
        """Return the averaged weights as a checkpoint."""
        trunk = Generator(self.config.architecture)
        trunk.load_state_dict(self.generator.state_dict())
        if self.config.depth == "all":
            for parameter, average in zip(trunk.parameters(), self.averages[:-1], strict=True):
                parameter.data.copy_(average)
        rows = {s.name: row_to_bytes(r) for s, r in zip(self.config.styles, self.averages[-1], strict=True)}
        return Checkpoint(self.config.architecture, trunk_to_bytes(trunk), rows, self.config.styles, provenance)


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from: photos and the Gram matrices of each style, stacked over styles."""

    photos: PhotoSet
    style_grams: dict[str, Tensor]
    style_hashes: dict[str, str]


def train(
    run: Run,
    data: TrainingData,
    vgg: Vgg,
    folder: Path,
    *,
    report: Callable[[Progress], None],
    deadline_seconds: float = math.inf,
) -> Checkpoint | None:
    """Train until the config's steps are done, or pause after ``deadline_seconds``.

    Returns the checkpoint, or None when paused: the same call with a restored run goes on.
    Raises Diverged if the loss stops being finite; the last good state stays in ``folder``.
    """
    started, before = time.monotonic(), run.seconds
    best, stale = math.inf, 0
    while run.step < run.config.steps:
        stage, into = stage_at(run.config, run.step)
        losses = train_step(run, data, vgg, stage, into)
        if not all(map(math.isfinite, losses)):
            raise Diverged(f"the loss is not finite at step {run.step}: lower the rate; the last state is kept")
        run.seconds = before + time.monotonic() - started
        report(Progress(run.step, run.config.steps, *losses, run.seconds))
        if run.step % run.config.validate_every == 0 or run.step == run.config.steps:
            found = validate(run, data, vgg, stage.crop_px)
            _log(folder, {"step": run.step, "loss": losses[0], "seconds": run.seconds} | found)
            run.save(folder / "state.safetensors")
            best, stale = (found["validation"], 0) if found["validation"] < best else (best, stale + 1)
            if run.config.patience and stale >= run.config.patience:
                break
        if time.monotonic() - started > deadline_seconds and run.step < run.config.steps:
            run.save(folder / "state.safetensors")
            return None
    curves = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    provenance = {
        "config": run.config.to_json(),
        "data_sha256": data.photos.data_hash,
        "style_sha256": data.style_hashes,
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "device": str(run.device),
        "torch": torch.__version__,
        "curves": curves,
    }
    checkpoint = run.checkpoint(provenance)
    checkpoint.save(folder / "checkpoint")
    return checkpoint


def train_step(run: Run, data: TrainingData, vgg: Vgg, stage: Stage, into: int) -> tuple[float, float, float]:
    """Take one optimiser step over ``stage.crops`` random crops in random styles.

    Returns the weighted loss, the content error and the style error, means over the crops.
    """
    picks = torch.randint(len(data.photos.train), (stage.crops,), generator=run.rng).tolist()
    styles = torch.randint(len(run.config.styles), (stage.crops,), generator=run.rng)
    crops = torch.stack([random_crop(data.photos.train[i], stage.crop_px, run.rng) for i in picks])
    loss, content, style_errors = losses(run, data, vgg, crops.to(run.device), styles.to(run.device))
    run.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(run.learnt, run.config.clip_norm)
    rate = rate_at(run.config, stage, into, run.step)
    for group in run.optimiser.param_groups:
        group["lr"] = rate * group["factor"]
    run.optimiser.step()
    run.step += 1
    run.average()
    run.balance(styles, style_errors)
    return float(loss.detach()), float(content), float(style_errors.mean())


def losses(run: Run, data: TrainingData, vgg: Vgg, crops: Tensor, styles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted loss and content error, scalars, and style errors (N,) of crops (N, 3, S, S) in styles (N,)."""
    config = run.config
    crops = crops.contiguous(memory_format=torch.channels_last)
    painted = run.generator(crops, run.rows[styles])
    with torch.no_grad():
        wanted = vgg(crops, until=CONTENT_TAP)[CONTENT_TAP]
    features = vgg(painted)
    content = content_error(features[CONTENT_TAP], wanted).mean()
    targets = {tap: stacked[styles] for tap, stacked in data.style_grams.items()}
    style = style_error(grams(features), targets)
    structure = structure_error(painted, crops).mean()
    smooth = total_variation(painted).mean()
    loss = (
        config.content_weight * content
        + (run.style_weights[styles] * style).mean()
        + config.structure_weight * structure
        + config.tv_weight * smooth
    )
    return loss, content.detach(), style.detach()


@torch.no_grad()
def validate(run: Run, data: TrainingData, vgg: Vgg, crop_px: int) -> dict[str, float]:
    """Mean losses of the averaged weights over held-out photos, every style on its share of them."""
    current = [parameter.detach().clone() for parameter in run.learnt]
    for parameter, average in zip(run.learnt, run.averages, strict=True):
        parameter.copy_(average)
    run.generator.eval()
    photos = data.photos.validation[:VALIDATION_PHOTOS]
    crops = torch.stack([centre_crop(photo, crop_px) for photo in photos]).to(run.device)
    styles = torch.arange(len(photos), device=run.device) % len(run.config.styles)
    loss, content, style_errors = losses(run, data, vgg, crops, styles)
    run.generator.train()
    for parameter, kept in zip(run.learnt, current, strict=True):
        parameter.copy_(kept)
    return {"validation": float(loss), "content": float(content), "style": float(style_errors.mean())}


def stage_at(config: TrainConfig, step: int) -> tuple[Stage, int]:
    """Return the stage that ``step`` belongs to and how far into it the step is."""
    for stage in config.stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise ValueError("past the last stage")


def rate_at(config: TrainConfig, stage: Stage, into: int, step: int) -> float:
    """Cosine from the stage's first to its final rate, with a linear warm-up over the first steps."""
    cosine = 0.5 * (1 + math.cos(math.pi * into / stage.steps))
    rate = stage.final_rate + (stage.rate - stage.final_rate) * cosine
    return rate * min(1.0, (step + 1) / max(1, config.warmup_steps))


@torch.no_grad()
def load_style_grams(config: TrainConfig, folder: Path, vgg: Vgg, device: torch.device) -> dict[str, Tensor]:
    """Gram matrices of the style images at ``style_px`` (shorter side), by layer: (styles, C, C)."""
    found = []
    for style in config.styles:
        path = folder / style.file
        if not path.is_file():
            raise UsageError(f"no style image {path} for the style {style.name!r}")
        image = load_image(path, config.style_px).to(device).float()[None] / 255
        found.append(grams(vgg(image)))
    return {tap: torch.cat([one[tap] for one in found]) for tap in found[0]}


def _forget_after(log: Path, step: int) -> None:
    """Drop the lines of steps that a resumed run takes again."""
    if log.exists():
        kept = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= step]
        log.write_text("".join(f"{line}\n" for line in kept))


def _log(folder: Path, entry: dict[str, float]) -> None:
    rounded = {key: round(value, 5) for key, value in entry.items()}
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(rounded) + "\n")


def describe(progress: Progress) -> str:
    """One line about a run's progress, with the time still to go."""
    remaining = progress.seconds / max(1, progress.step) * (progress.steps - progress.step)
    values = asdict(progress)
    return (
        f"step {values['step']}/{values['steps']}  loss {progress.loss:.3f}  content {progress.content:.3f}  "
        f"style {progress.style:.3f}  {progress.seconds:.0f} s, about {remaining:.0f} s to go"
    )
