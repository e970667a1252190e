"""Measuring generators from files, as ``atelier evaluate`` does it: no service needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shared.errors import UsageError
from workers.contact_sheet import Cell, contact_sheet, thumbnail
from workers.evaluation_files import EvaluationFiles
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.evaluation import GOAL, STYLE_PX, Figures, StyleTargets, measure, meets_goal, summary
from workers.model.panel import Panel
from workers.model.tiles import paint
from workers.model.vgg import Vgg
from workers.painter import choose_device

MINIBATCH = 4
"""Styles of one photo that are painted and looked at together: VGG-19 needs 40 MB for each at 384 px."""


class Candidate:
    """A generator that is measured: its trunk, rows and styles, and what was found so far."""

    def __init__(self, folder: Path, styles: Path, vgg: Vgg, device: torch.device) -> None:
        """Load the checkpoint and look at its style images. Raises BadCheckpoint, UsageError."""
        checkpoint = Checkpoint.load(folder)
        self.folder = folder
        self.trunk_sha256 = checkpoint.trunk_sha256
        self.styles = checkpoint.styles
        self.images = [styles / style.file for style in checkpoint.styles]
        for style, image in zip(self.styles, self.images, strict=True):
            if not image.is_file():
                raise UsageError(f"no style image {image} for the style {style.name!r}: --styles names their folder")
        self.generator = trunk_from_bytes(checkpoint.trunk).to(device).to(memory_format=torch.channels_last)
        self.rows = torch.stack([row_from_bytes(checkpoint.rows[style.name]) for style in self.styles]).to(device)
        self.targets = StyleTargets.load(self.images, vgg, device)
        self.figures: dict[str, list[Figures]] = {style.name: [] for style in self.styles}
        heads = zip(self.images, self.styles, strict=True)
        self.sheet: list[list[Cell | None]] = [[None, *(Cell(_thumbnail_of(i), style.name) for i, style in heads)]]

    @torch.inference_mode()
    def sit(self, photo: Tensor, name: str, vgg: Vgg) -> None:
        """Paint a photo (1, 3, H, W) in every style and measure what comes out."""
        features = vgg(photo)
        cells: list[Cell | None] = [Cell(thumbnail(to_picture(photo[0])), name)]
        for start in range(0, len(self.styles), MINIBATCH):
            part = slice(start, start + MINIBATCH)
            rows = self.rows[part]
            painted = paint(self.generator, photo.expand(len(rows), -1, -1, -1), rows)
            found = measure(painted, photo, features, self.targets[part], vgg)
            for style, figures, picture in zip(self.styles[part], found, painted, strict=True):
                self.figures[style.name].append(figures)
                cells.append(
                    Cell(
                        thumbnail(to_picture(picture)),
                        f"{figures['ssim']:.2f} {figures['pdist']:.2f} {figures['style_error']:.3f}",
                    )
                )
        self.sheet.append(cells)

    def findings(self) -> dict[str, Any]:
        """Return the figures per style and over all renditions, as plain data."""
        styles = {name: summary(figures) for name, figures in self.figures.items()}
        return {
            "checkpoint": str(self.folder),
            "trunk_sha256": self.trunk_sha256,
            "styles": [{"style": name, **found, "meets_goal": meets_goal(found)} for name, found in styles.items()],
            "overall": summary([one for figures in self.figures.values() for one in figures]),
            "renditions": self.figures,
        }


def evaluate_from_files(
    files: EvaluationFiles, device_name: str, px: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measure checkpoints on the frozen panel at ``px`` pixels on the long side.

    Writes ``evaluation.json``, which is also returned, and a contact sheet per checkpoint to
    ``files.out``. Raises UsageError for what is missing.
    """
    device = choose_device(device_name)
    vgg = Vgg.load(files.vgg).to(device)
    vgg.to(memory_format=torch.channels_last)
    candidates = [Candidate(folder, files.styles, vgg, device) for folder in files.checkpoints]
    tell("choosing the panel")
    panel = Panel.choose(files.photos, px)
    try:
        files.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to --out {files.out}: {error.strerror}") from error
    for number, path in enumerate(panel.photos, 1):
        tell(f"photo {number} of {len(panel.photos)}: {path.name}")
        photo = panel.load(path).to(device)
        for candidate in candidates:
            candidate.sit(photo, path.stem, vgg)
    document = {
        "panel": {
            "data_sha256": panel.data_hash,
            "px": px,
            "photos": [f"{path.parent.name}/{path.name}" for path in panel.photos],
        },
        "style_px": STYLE_PX,
        "goal": GOAL,
        "checkpoints": [candidate.findings() for candidate in candidates],
    }
    (files.out / "evaluation.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    for number, candidate in enumerate(candidates, 1):
        name = "sheet.jpg" if number == 1 else f"sheet-{number}.jpg"
        contact_sheet(candidate.sheet).save(files.out / name, quality=90)
    return document


def to_picture(image: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] → a picture of 8 bits."""
    pixels = (image.float() * 255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(pixels.cpu().numpy()))


def _thumbnail_of(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return thumbnail(image.convert("RGB"))
