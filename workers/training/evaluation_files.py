"""Files of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class EvaluationFiles:
    """Files that an evaluation reads, and the folder that it writes to.

    ``vgg`` is a file or a URL; None uses the default place. ``only`` names the styles to measure; empty means all.
    ``lpips`` is the file of LPIPS weights; None leaves LPIPS out.
    """

    photos: list[Path]
    styles: Path
    vgg: str | None
    checkpoints: list[Path]
    out: Path
    only: list[str] = field(default_factory=list)
    lpips: Path | None = None
