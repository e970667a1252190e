"""How a segmentation network is trained."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.errors import UsageError


@dataclass(frozen=True)
class MaskTrainConfig:
    """Settings of a training run; stored with the network.

    ``steps``            minibatches in all.
    ``minibatch``        pictures in one.
    ``px``               side of the square training pictures.
    ``learning_rate``    of the decoder at its highest; the trunk's is ``trunk_rate`` times as high. It rises for
                         ``warm_up`` steps and falls with the cosine to a hundredth.
    ``weight_decay``     AdamW's (I. Loshchilov and F. Hutter, ICLR 2019).
    ``average``          decay of the running mean of the weights, which is what is kept.
    ``edge``             how much more a pixel near the outline counts in the cross-entropy.
    ``overlap``          weight of the soft IoU loss beside the cross-entropy.
    ``held_out``         beginnings of the names of files that are never learnt from.
    ``seed``             of every random draw.
    """

    steps: int = 1600
    minibatch: int = 8
    px: int = 256
    learning_rate: float = 2e-3
    trunk_rate: float = 0.15
    warm_up: int = 50
    weight_decay: float = 1e-4
    average: float = 0.99
    edge: float = 3.0
    overlap: float = 1.0
    held_out: tuple[str, ...] = ()
    seed: int = 1

    @classmethod
    def load(cls, path: Path) -> MaskTrainConfig:
        """Read a JSON file. Raises UsageError if it is missing, or names a setting that does not exist."""
        try:
            values = json.loads(path.read_text())
            return cls(**values | {"held_out": tuple(values.get("held_out", ()))})
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"--config {path}: not a training config for masks: {error}") from error

    def as_json(self) -> dict[str, object]:
        """Return the settings by name."""
        return asdict(self)
