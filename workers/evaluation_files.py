"""The files of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EvaluationFiles:
    """What an evaluation reads, and the folder it writes to."""

    photos: list[Path]
    styles: Path
    vgg: Path
    checkpoints: list[Path]
    out: Path
