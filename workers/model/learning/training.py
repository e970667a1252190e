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

import torch
from torch import Tensor, nn

from shared.errors import InvalidInput
from workers.model.checkpoint import Checkpoint
from workers.model.config import Stage, TrainConfig
from workers.model.dataset import PhotoSet, centre_crop, random_crop
from workers.model.learning import parallel
from workers.model.learning.discriminator import discriminator_loss, random_patches
from workers.model.learning.objective import Minibatch, judge
from workers.model.learning.run import Run
from workers.model.learning.style_set import StyleSet
from workers.model.vgg import Vgg

VALIDATION_PHOTOS = 16


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
    logged: dict[str, float] | None = None
    """The line of ``log.jsonl`` where the step was followed by a validation."""


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from."""

    photos: PhotoSet
    styles: StyleSet


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

    Returns the checkpoint, or None when paused: the same call with a restored run goes on. A run whose
    config has patience may stop before, and its checkpoint holds the best averages.
    Raises Diverged if the loss stops being finite; the last good state stays in ``folder``.
    """
    started, before = time.monotonic(), run.seconds
    while not _ended(run):
        stage, into = stage_at(run.config, run.step)
        found = train_step(run, data, vgg, stage, into)
        if not all(map(math.isfinite, found)):
            raise Diverged(f"the loss is not finite at step {run.step}: lower the rate; the last state is kept")
        run.seconds = before + time.monotonic() - started
        logged = None
        if run.step % run.config.validate_every == 0 or run.step == run.config.steps:
            errors = validate(run, data, vgg)
            run.note_validation(errors["validation"])
            if parallel.leads():
                logged = _log(folder, {"step": run.step, "loss": found[0], "seconds": run.seconds} | errors)
                run.save(folder / "state.safetensors")
        report(Progress(run.step, run.config.steps, *found, run.seconds, logged))
        late = parallel.any_says(time.monotonic() - started > deadline_seconds, run.device)
        if late and not _ended(run):
            if parallel.leads():
                run.save(folder / "state.safetensors")
            return None
    if run.best_averages:
        run.averages = [average.clone() for average in run.best_averages]
    checkpoint = run.checkpoint(provenance(run, data, folder))
    if parallel.leads():
        checkpoint.save(folder / "checkpoint")
    return checkpoint


def _ended(run: Run) -> bool:
    """Whether the steps are done, or a run that may stop early has done so (in all processes alike)."""
    if run.step >= run.config.steps:
        return True
    return run.config.patience > 0 and parallel.any_says(run.weary, run.device)


def provenance(run: Run, data: TrainingData, folder: Path) -> dict[str, object]:
    """Where a checkpoint comes from: config, hashes of all data, curves, time and machine."""
    return {
        "config": run.config.to_json(),
        "start_trunk_sha256": run.start_trunk_sha256,
        "data_sha256": data.photos.data_hash,
        "style_sha256": data.styles.hashes,
        "style_weights": dict(zip(data.styles.hashes, (round(w, 3) for w in run.style_weights.tolist()), strict=True)),
        "steps": run.step,
        "steps_kept": run.best_step if run.best_averages else run.step,
        "seconds": round(run.seconds, 1),
        "device": str(run.device),
        "processes": parallel.processes(),
        "torch": torch.__version__,
        "curves": read_log(folder),
    }


def train_step(run: Run, data: TrainingData, vgg: Vgg, stage: Stage, into: int) -> tuple[float, float, float]:
    """Take one optimiser step over ``stage.crops`` random crops in random styles, ``accumulate`` times.

    Returns the weighted loss, the content error and the style error, means over the crops.
    """
    rate = rate_at(run.config, stage, into, run.step)
    run.optimiser.zero_grad(set_to_none=True)
    sums = [0.0, 0.0, 0.0]
    for turn in range(run.config.accumulate):
        picks = torch.randint(len(data.photos.train), (stage.crops,), generator=run.rng).tolist()
        styles = next_styles(run, turn, stage.crops)
        crops = torch.stack([random_crop(data.photos.train[i], stage.crop_px, run.rng) for i in picks])
        minibatch = Minibatch(crops.to(run.device), styles.to(run.device))
        found = judge(run, stage, data.styles, vgg, minibatch, run.rng)
        torch.autograd.backward(found.loss / run.config.accumulate)
        run.balance(styles, found.terms["covariance"], stage.style_target)
        for index, term in enumerate((found.loss.detach(), found.terms["content"], found.terms["style"])):
            sums[index] += float(term.mean()) / run.config.accumulate
    parallel.average_gradients(run.learnt)
    run.style_weights = parallel.average(run.style_weights)
    nn.utils.clip_grad_norm_(run.learnt, run.config.clip_norm)
    for group in run.optimiser.param_groups:
        group["lr"] = rate * group["factor"]
    run.optimiser.step()
    _judge_step(run, data, found.painted, styles.to(run.device), stage.crop_px)
    run.step += 1
    run.average()
    return sums[0], sums[1], sums[2]


def next_styles(run: Run, turn: int, crops: int) -> Tensor:
    """Return the styles (crops,) of a minibatch: one shuffled round of all styles after the other.

    Every style so sees as many crops as the others, and which ones is decided by the step alone.
    """
    minibatch = (run.step * run.config.accumulate + turn) * parallel.processes() + parallel.rank()
    count = len(run.config.styles)
    places = range(minibatch * crops, (minibatch + 1) * crops)
    rounds = {place // count: torch.Generator().manual_seed(run.config.seed + place // count) for place in places}
    orders = {number: torch.randperm(count, generator=rng) for number, rng in rounds.items()}
    return torch.stack([orders[place // count][place % count] for place in places])


def _judge_step(run: Run, data: TrainingData, painted: Tensor, styles: Tensor, crop_px: int) -> None:
    """Teach the discriminator with what was just painted, where there is one."""
    if run.discriminator is None or run.judge_optimiser is None:
        return
    real = random_patches(data.styles.images, styles, crop_px, run.rng).to(run.device)
    run.judge_optimiser.zero_grad(set_to_none=True)
    verdicts = run.discriminator(real, styles), run.discriminator(painted, styles)
    loss = discriminator_loss(*verdicts, run.config.adversarial)
    torch.autograd.backward(loss)
    parallel.average_gradients(list(run.discriminator.parameters()))
    run.judge_optimiser.step()


@torch.no_grad()
def validate(run: Run, data: TrainingData, vgg: Vgg) -> dict[str, float]:
    """Mean errors of the averaged weights over held-out photos, every style on its share of them.

    ``validation`` weighs all styles alike, and crops and terms are those of the last stage, so that it compares
    from step to step.
    """
    stage, photos = run.config.stages[-1], data.photos.validation[:VALIDATION_PHOTOS]
    crops = torch.stack([centre_crop(photo, stage.crop_px) for photo in photos]).to(run.device)
    styles = torch.arange(len(photos), device=run.device) % len(run.config.styles)
    rng = torch.Generator().manual_seed(run.config.seed)  # the same noise each time
    with run.averaged():
        found = judge(run, stage, data.styles, vgg, Minibatch(crops, styles), rng)
    return {name: float(term.mean()) for name, term in ({"validation": found.validation} | found.terms).items()}


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


def forget_after(log: Path, step: int) -> None:
    """Drop the lines of steps that a resumed run takes again."""
    if log.exists():
        kept = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= step]
        log.write_text("".join(f"{line}\n" for line in kept))


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the validations of a run so far, oldest first."""
    log = folder / "log.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _log(folder: Path, entry: dict[str, float]) -> dict[str, float]:
    rounded = {key: round(value, 5) for key, value in entry.items()}
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(rounded) + "\n")
    return rounded


def describe(progress: Progress) -> str:
    """One line about a run's progress, with the time still to go."""
    remaining = progress.seconds / max(1, progress.step) * (progress.steps - progress.step)
    values = asdict(progress)
    return (
        f"step {values['step']}/{values['steps']}  loss {progress.loss:.3f}  content {progress.content:.3f}  "
        f"style {progress.style:.3f}  {progress.seconds:.0f} s, about {remaining:.0f} s to go"
    )
