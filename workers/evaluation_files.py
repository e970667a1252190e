"""The files of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EvaluationFiles:
    """What an evaluation reads, and the folder it writes to.

    ``vgg`` is a file or a URL, None: where features usually are.
    """

    photos: list[Path]
    styles: Path
    vgg: str | None
    checkpoints: list[Path]
    out: Path
