"""The state of a training run: trunk, rows, their averages, optimisers, random numbers; saved and restored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from shared.errors import UsageError
from workers.model.checkpoint import Checkpoint, row_from_bytes, row_to_bytes, trunk_from_bytes, trunk_to_bytes
from workers.model.config import TrainConfig
from workers.model.generator import Generator, neutral_row
from workers.model.learning.discriminator import Discriminator

BALANCE_RATE = 0.05
BALANCE_RANGE = 4.0
"""A style's own weight moves by at most this factor up or down."""


class Run:
    """One training run in memory: trunk, rows, their moving averages, optimiser and random state."""

    def __init__(self, config: TrainConfig, start: Checkpoint | None, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.device = device
        self.start_trunk_sha256 = start.trunk_sha256 if start else None
        self.generator = trunk_from_bytes(start.trunk) if start else Generator(config.architecture)
        if self.generator.architecture != config.architecture:
            raise UsageError("the architecture of the config differs from that of the checkpoint to start from")
        self.generator.dropout.p = config.dropout
        self.generator.to(device).to(memory_format=torch.channels_last).train()
        self._choose_what_learns()
        self.rows = nn.Parameter(self._first_rows(start).to(device))
        self.learnt = [p for p in (*self.generator.parameters(), self.rows) if p.requires_grad]
        """The parameters trained; the rows come last."""
        self.averages = [p.detach().clone() for p in self.learnt]
        self.style_weights = torch.full((len(config.styles),), config.style_weight, device=device)
        self.optimiser = self._optimiser()
        self.discriminator = Discriminator(len(config.styles)).to(device) if config.adversarial_weight else None
        self.judge_optimiser = self._judge_optimiser()
        self.rng = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.seconds = 0.0
        self.best = math.inf
        self.best_step = 0
        self.best_averages: list[Tensor] = []
        """The averages with the least validation error so far, kept only where the run may stop early."""
        self.stale = 0

    def _choose_what_learns(self) -> None:
        """Transfer learning at three depths: rows only, the way back to pixels too, or everything."""
        self.generator.requires_grad_(self.config.depth == "all")
        if self.config.depth == "decoder":
            self.generator.decode.requires_grad_(True)
            self.generator.paint.requires_grad_(True)

    def _optimiser(self) -> torch.optim.Optimizer:
        trunk = [p for p in self.learnt if p is not self.rows]
        groups = [{"params": trunk, "factor": 1.0}] if trunk else []
        groups.append({"params": [self.rows], "factor": self.config.row_rate_factor})
        if self.config.optimiser == "sgd":
            return torch.optim.SGD(groups, lr=1e-3, momentum=0.9, nesterov=True, weight_decay=self.config.weight_decay)
        return torch.optim.Adam(groups, lr=1e-3, weight_decay=self.config.weight_decay)

    def _judge_optimiser(self) -> torch.optim.Optimizer | None:
        if self.discriminator is None:
            return None
        # Without momentum, as is usual for the hinge loss (Brock et al. 2019, arXiv:1809.11096).
        return torch.optim.Adam(self.discriminator.parameters(), lr=self.config.discriminator_rate, betas=(0.0, 0.99))

    def draw_apart(self, rank: int) -> None:
        """Draw other crops than the other processes of a data-parallel run; the first keeps its order."""
        if rank:
            self.rng.manual_seed(self.config.seed + self.step + 1_000_003 * rank)

    def balance(self, styles: Tensor, errors: Tensor, target: float) -> None:
        """Give styles (N,) whose errors (N,) are above the target more weight, the others less.

        A dual ascent on "style error = target" (Platt and Barr 1988, constrained differential
        optimisation): strong and weak styles end equally far from their painting, and what is to spare
        goes to the content.
        """
        if target <= 0:
            return
        base = self.config.style_weight
        for style, error in zip(styles.tolist(), errors.tolist(), strict=True):
            step = math.exp(BALANCE_RATE * max(-1.0, min(1.0, error / target - 1)))
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
        tensors = _prefixed("trunk", self.generator.state_dict()) | {"rows": self.rows}
        tensors |= {f"average.{index}": average for index, average in enumerate(self.averages)}
        tensors |= {f"best.{index}": average for index, average in enumerate(self.best_averages)}
        if self.best_averages:
            tensors["best_step"] = torch.tensor(self.best_step)
        tensors |= _moments_of("optimiser", self.optimiser)
        if self.discriminator is not None and self.judge_optimiser is not None:
            tensors |= _prefixed("discriminator", self.discriminator.state_dict())
            tensors |= _moments_of("judge", self.judge_optimiser)
        tensors["style_weights"] = self.style_weights
        tensors["rng"] = self.rng.get_state()
        tensors["torch_rng"] = torch.get_rng_state()
        tensors["clock"] = torch.tensor([self.step, self.seconds, self.best, self.stale], dtype=torch.float64)
        partial = path.with_suffix(".partial")
        save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on exactly where ``save`` left off (bit for bit on the CPU).

        Raises UsageError if the state is damaged or of another config.
        """
        try:
            tensors = load_file(path)
            self.generator.load_state_dict(_under("trunk", tensors))
            with torch.no_grad():
                self.rows.copy_(tensors["rows"])
            self.averages = [tensors[f"average.{i}"].to(self.device) for i in range(len(self.averages))]
            self.best_averages = [t.to(self.device) for _, t in sorted(_numbered("best", tensors).items())]
            self.best_step = int(tensors.get("best_step", self.best_step))
            _restore_moments(self.optimiser, _under("optimiser", tensors))
            if self.discriminator is not None and self.judge_optimiser is not None:
                self.discriminator.load_state_dict(_under("discriminator", tensors))
                _restore_moments(self.judge_optimiser, _under("judge", tensors))
            self.style_weights = tensors["style_weights"].to(self.device)
            self.rng.set_state(tensors["rng"])
            torch.set_rng_state(tensors["torch_rng"])
            step, self.seconds, self.best, stale = tensors["clock"].tolist()
        except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
            raise UsageError(f"{path} does not belong to this config, or is damaged") from error
        self.step, self.stale = int(step), int(stale)

    def note_validation(self, error: float) -> None:
        """Count a validation of the averages; where the run may stop early, the best are kept."""
        if not error < self.best:
            self.stale += 1
            return
        self.best, self.best_step, self.stale = error, self.step, 0
        if self.config.patience:
            self.best_averages = [average.clone() for average in self.averages]

    @property
    def weary(self) -> bool:
        """Whether the validations have not improved for as long as the config's patience lasts."""
        return 0 < self.config.patience <= self.stale

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Work with the averaged weights, without dropout, until the end of the block."""
        current = [parameter.detach().clone() for parameter in self.learnt]
        self._put(self.averages)
        self.generator.eval()
        try:
            yield
        finally:
            self.generator.train()
            self._put(current)

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.learnt, values, strict=True):
            parameter.copy_(value)

    def average(self) -> None:
        """Move the exponential averages towards the present weights; faster in the first steps."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for average, parameter in zip(self.averages, self.learnt, strict=True):
            average.lerp_(parameter.detach(), 1 - decay)

    def checkpoint(self, provenance: Mapping[str, Any]) -> Checkpoint:
        """Return the averaged weights as a checkpoint."""
        trunk = Generator(self.config.architecture)
        trunk.load_state_dict(self.generator.state_dict())
        learnt = [name for name, parameter in self.generator.named_parameters() if parameter.requires_grad]
        for name, average in zip(learnt, self.averages[:-1], strict=True):
            trunk.get_parameter(name).data.copy_(average)
        rows = {s.name: row_to_bytes(r) for s, r in zip(self.config.styles, self.averages[-1], strict=True)}
        return Checkpoint(self.config.architecture, trunk_to_bytes(trunk), rows, self.config.styles, provenance)


def _prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{key}": value for key, value in state.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(f"{prefix}."): value for key, value in tensors.items() if key.startswith(f"{prefix}.")}


def _numbered(prefix: str, tensors: dict[str, Tensor]) -> dict[int, Tensor]:
    return {int(key): value for key, value in _under(prefix, tensors).items()}


def _moments_of(prefix: str, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers of each parameter, as PREFIX.INDEX.NAME."""
    return {
        f"{prefix}.{index}.{name}": value
        for index, slots in optimiser.state_dict()["state"].items()
        for name, value in slots.items()
        if value is not None
    }


def _restore_moments(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state = optimiser.state_dict()
    state["state"] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        state["state"].setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(state)
