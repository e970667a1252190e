"""Everything that decides a training run, in one value that is stored in its checkpoint."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from shared.errors import UsageError
from workers.model.generator import Architecture

DEPTHS = ("style", "decoder", "all")
OPTIMISERS = ("adam", "sgd")
PRECISIONS = ("float32", "bfloat16")
ADVERSARIES = ("hinge", "least_squares")


@dataclass(frozen=True)
class StyleSource:
    """A style to learn. ``file``, relative to the folder of style images, is an image or a folder of several.

    ``facets``: whether the style is one of large facets, which are learnt at a coarser scale, too.
    ``monochrome``: whether the style is of one colour by intention, so that looks do not keep the product's by default.
    """

    name: str
    file: str
    title: str = ""
    artist: str = ""
    year: str = ""
    licence: str = ""
    facets: bool = False
    monochrome: bool = False

    def __post_init__(self) -> None:
        # A name becomes a file's name.
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise UsageError(f"style name {self.name!r}: use lower-case letters, digits and single hyphens")


@dataclass(frozen=True)
class Stage:
    """Steps at one crop size; the rate falls by a cosine from ``rate`` to ``final_rate``.

    ``crops`` is the minibatch of each process.
    """

    steps: int
    crop_px: int = 128
    crops: int = 4
    rate: float = 1e-3
    final_rate: float = 1e-4
    style_target: float = 0.0
    """Covariance error that each style is led to by a weight of its own; 0: the weights stay as they are."""
    stability_weight: float = 0.0
    """Weight of how much a little noise on the photo is amplified. It also punishes what seeds strokes on flat
    places, so it is for the last stage, and small."""


@dataclass(frozen=True)
class TrainConfig:
    """A training run. ``depth`` is what is trained: ``style`` (rows only), ``decoder`` (and what follows the
    residual blocks), or ``all``.
    """

    styles: tuple[StyleSource, ...]
    stages: tuple[Stage, ...]
    architecture: Architecture = field(default_factory=Architecture)
    depth: str = "all"
    style_px: int = 512
    content_weight: float = 0.7
    style_weight: float = 7.0
    structure_weight: float = 2.0
    edge_weight: float = 2.0
    tone_weight: float = 3.0
    chroma_weight: float = 1.0
    tv_weight: float = 1e-5
    adversarial_weight: float = 0.0
    adversarial: str = "hinge"
    discriminator_rate: float = 2e-4
    optimiser: str = "adam"
    precision: str = "float32"
    accumulate: int = 1
    """Minibatches whose gradients make one step."""
    row_rate_factor: float = 1.0
    """How much faster rows learn than the trunk: a row sees only its style's share of the crops."""
    warmup_steps: int = 50
    weight_decay: float = 0.0
    dropout: float = 0.0
    clip_norm: float = 5.0
    ema_decay: float = 0.995
    validate_every: int = 250
    patience: int = 0
    """Validations without improvement before the run stops early, and ends with its best averages.

    0 never stops early and ends with the last averages.
    """
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.styles:
            raise UsageError("the training config names no style")
        if not self.stages:
            raise UsageError("the training config has no stage")
        for name, value, known in (
            ("depth", self.depth, DEPTHS),
            ("optimiser", self.optimiser, OPTIMISERS),
            ("precision", self.precision, PRECISIONS),
            ("adversarial", self.adversarial, ADVERSARIES),
        ):
            if value not in known:
                raise UsageError(f"{name} is {value!r}; choose one of {', '.join(known)}")
        counts = [
            self.validate_every,
            self.accumulate,
            *(n for s in self.stages for n in (s.steps, s.crop_px, s.crops)),
        ]
        if not all(isinstance(count, int) and count > 0 for count in counts):
            raise UsageError("validate_every, accumulate, steps, crop_px and crops must be whole numbers above 0")
        names = [style.name for style in self.styles]
        if len(set(names)) != len(names):
            raise UsageError("the training config names a style twice")

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """Return the config as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read back what ``to_json`` wrote; unknown or missing fields raise UsageError naming them."""
        try:
            return cls(
                **data
                | {
                    "styles": tuple(StyleSource(**style) for style in data["styles"]),
                    "stages": tuple(Stage(**stage) for stage in data["stages"]),
                    "architecture": Architecture(**data.get("architecture", {})),
                }
            )
        except (KeyError, TypeError) as error:
            raise UsageError(f"the training config is not valid: {error}") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a config from a JSON file."""
        try:
            return cls.from_json(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read the training config {path}: {error}") from error
