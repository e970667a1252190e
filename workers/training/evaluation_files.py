"""The files of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class EvaluationFiles:
    """What an evaluation reads, and the folder it writes to.

    ``vgg`` is a file or a URL, None: where features usually are. ``only`` names the styles that are measured,
    all where it is empty.
    """

    photos: list[Path]
    styles: Path
    vgg: str | None
    checkpoints: list[Path]
    out: Path
    only: list[str] = field(default_factory=list)
