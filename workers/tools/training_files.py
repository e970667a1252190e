"""Files of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainingFiles:
    """Paths that a training run reads and writes.

    ``vgg`` is a file or a URL; None uses the default place. ``start`` is a checkpoint for transfer learning.
    """

    config: Path
    photos: list[Path]
    styles: Path
    vgg: str | None
    start: Path | None
    out: Path
