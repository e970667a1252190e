"""Measuring generators from files, as ``atelier evaluate`` does it: no service needed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shared.errors import UsageError
from shared.settings import Settings
from workers.contact_sheet import Cell, contact_sheet, side_by_side, thumbnail
from workers.evaluation_files import EvaluationFiles
from workers.features import MOST_PHOTOS, load_vgg
from workers.images.background import paint_weight
from workers.images.compose import Pixels, compose
from workers.model.checkpoint import Checkpoint, row_from_bytes, trunk_from_bytes
from workers.model.dataset import PhotoSet
from workers.model.evaluation import GOAL, STYLE_PX, Figures, StyleTargets, measure, meets_goal, summary
from workers.model.metrics import white_kept
from workers.model.panel import Panel, split, stratified
from workers.model.recognition import Recogniser, label_of, labelled, pooled
from workers.model.robustness import robustness
from workers.model.style_set import style_files
from workers.model.tiles import paint
from workers.model.vgg import Vgg
from workers.painter import choose_device

PANEL_PHOTOS = 20
WITNESSES = 20
WITNESS_PX = 192
"""Long side at which labelled photos are styled to be recognised: what matters is whether it can be seen at all."""

SHAKEN = 3
SHAKEN_PX = 256
"""Photos that are perturbed, and their long side at most: nine renditions of each in every style."""

MINIBATCH = 4
"""Styles of one photo that are painted and looked at together: VGG-19 needs 40 MB for each at 384 px."""


class Candidate:
    """A generator that is measured: its trunk, rows and styles, and what was found so far."""

    def __init__(
        self, name: str, checkpoint: Checkpoint, images: Mapping[str, Sequence[Path]], vgg: Vgg, device: torch.device
    ) -> None:
        """Look at the images of the styles that are to be measured, by their names."""
        self.name = name
        self.trunk_sha256 = checkpoint.trunk_sha256
        self.styles = [style for style in checkpoint.styles if style.name in images]
        self.images = [images[style.name] for style in self.styles]
        self.generator = trunk_from_bytes(checkpoint.trunk).to(device).to(memory_format=torch.channels_last)
        self.rows = torch.stack([row_from_bytes(checkpoint.rows[style.name]) for style in self.styles]).to(device)
        self.targets = StyleTargets.load(self.images, vgg, device)
        self.figures: dict[str, list[Figures]] = {style.name: [] for style in self.styles}
        self.agreed: dict[str, list[float]] = {style.name: [] for style in self.styles}
        self.shaken: dict[str, list[Figures]] = {style.name: [] for style in self.styles}
        heads = zip(self.images, self.styles, strict=True)
        self.sheet: list[list[Cell | None]] = [[None, *(Cell(_thumbnail_of(i[0]), style.name) for i, style in heads)]]

    @classmethod
    def load(cls, folder: Path, files: EvaluationFiles, vgg: Vgg, device: torch.device) -> Candidate:
        """Load a checkpoint and find its style images. Raises BadCheckpoint, UsageError."""
        checkpoint = Checkpoint.load(folder)
        styles = [style for style in checkpoint.styles if not files.only or style.name in files.only]
        if not styles:
            raise UsageError(f"the checkpoint {folder} knows none of the styles {', '.join(files.only)}")
        images = {style.name: style_files(style, files.styles) for style in styles}
        return cls(str(folder), checkpoint, images, vgg, device)

    def paint(self, photo: Tensor, part: slice) -> Tensor:
        """Paint a photo (1, 3, H, W) in some of the styles: (S, 3, H, W)."""
        rows = self.rows[part]
        return paint(self.generator, photo.expand(len(rows), -1, -1, -1), rows)

    def paint_all(self, photo: Tensor) -> Tensor:
        """Paint a photo (1, 3, H, W) in every style, a minibatch at a time: (S, 3, H, W)."""
        starts = range(0, len(self.styles), MINIBATCH)
        return torch.cat([self.paint(photo, slice(start, start + MINIBATCH)) for start in starts])

    def shake(self, photo: Tensor) -> None:
        """Note for every style how much small changes of a photo (1, 3, H, W) change its rendition."""
        for style, figures in zip(self.styles, robustness(self.paint_all, photo), strict=True):
            self.shaken[style.name].append({**figures})

    @torch.inference_mode()
    def witness(self, photo: Tensor, recogniser: Recogniser, vgg: Vgg) -> None:
        """Note for every style whether a photo (1, 3, H, W) is still sorted into the class it had."""
        painted = torch.cat([photo, self.paint(photo, slice(None))])
        before, *after = recogniser.classify(pooled(painted, vgg)).tolist()
        for style, found in zip(self.styles, after, strict=True):
            self.agreed[style.name].append(float(found == before))

    @torch.inference_mode()
    def sit(self, photo: Tensor, name: str, vgg: Vgg) -> None:
        """Paint a photo (1, 3, H, W) in every style and measure what comes out."""
        features = vgg(photo)
        cells: list[Cell | None] = [Cell(thumbnail(to_picture(photo[0])), name)]
        for start in range(0, len(self.styles), MINIBATCH):
            part = slice(start, start + MINIBATCH)
            painted = self.paint(photo, part)
            found = measure(painted, photo, features, self.targets[part], vgg)
            for style, figures, picture in zip(self.styles[part], found, painted, strict=True):
                self.figures[style.name].append(figures | {"white_kept": shipped_white(picture, photo[0])})
                cells.append(
                    Cell(
                        thumbnail(to_picture(picture)),
                        f"{figures['ssim']:.2f} {figures['pdist']:.2f} {figures['style_error']:.3f}",
                    )
                )
        self.sheet.append(cells)

    def findings(self) -> dict[str, Any]:
        """Return the figures per style and over all renditions, as plain data."""
        # Agreement belongs to other photos than the rest, so it joins the figures only here.
        agreed: dict[str, list[Figures]] = {
            name: [{"agreement": one} for one in found] or [{"agreement": None}] for name, found in self.agreed.items()
        }
        styles = {name: summary(figures) | summary(agreed[name]) for name, figures in self.figures.items()}
        return {
            "checkpoint": self.name,
            "trunk_sha256": self.trunk_sha256,
            "styles": [{"style": name, **found, "meets_goal": meets_goal(found)} for name, found in styles.items()],
            "overall": summary(_all(self.figures)) | summary(_all(agreed)),
            "robustness": {
                "styles": [{"style": name, **summary(found)} for name, found in self.shaken.items()],
                "overall": summary(_all(self.shaken)),
            },
            "renditions": self.figures,
        }


def evaluate_from_files(
    files: EvaluationFiles, settings: Settings, px: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measure checkpoints on the frozen panel at ``px`` pixels on the long side.

    Writes ``evaluation.json``, which is also returned, and a contact sheet per checkpoint to
    ``files.out``, and one of the styles that several of them know. Raises UsageError for what is missing.
    """
    device = choose_device(settings.device)
    few = partial(PhotoSet.load, files.photos, px, most=MOST_PHOTOS)
    vgg = load_vgg(files.vgg, settings, few, tell).to(device)
    vgg.to(memory_format=torch.channels_last)
    candidates = [Candidate.load(folder, files, vgg, device) for folder in files.checkpoints]
    tell("choosing the panel")
    test, others = split(files.photos)
    panel = Panel.of(stratified(test, PANEL_PHOTOS), px)
    shaken = Panel.of(panel.photos[:SHAKEN], min(px, SHAKEN_PX))
    try:
        files.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to --out {files.out}: {error.strerror}") from error
    for number, path in enumerate(panel.photos, 1):
        tell(f"photo {number} of {len(panel.photos)}: {path.name}")
        photo = panel.load(path).to(device)
        for candidate in candidates:
            candidate.sit(photo, path.stem, vgg)
    for number, path in enumerate(shaken.photos, 1):
        tell(f"shaking photo {number} of {len(shaken.photos)}: {path.name}")
        photo = shaken.load(path).to(device)
        for candidate in candidates:
            candidate.shake(photo)
    recognition = recognise(test, others, candidates, vgg, tell)
    document = {
        "panel": {
            "data_sha256": panel.data_hash,
            "px": px,
            "photos": [f"{path.parent.name}/{path.name}" for path in panel.photos],
        },
        "shaken": {"data_sha256": shaken.data_hash, "px": shaken.px, "photos": [path.name for path in shaken.photos]},
        "recognition": recognition,
        "style_px": STYLE_PX,
        "goal": GOAL,
        "checkpoints": [candidate.findings() for candidate in candidates],
    }
    (files.out / "evaluation.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    for number, candidate in enumerate(candidates, 1):
        name = "sheet.jpg" if number == 1 else f"sheet-{number}.jpg"
        contact_sheet(candidate.sheet).save(files.out / name, quality=90)
    if shared := side_by_side([candidate.sheet for candidate in candidates]):
        contact_sheet(shared).save(files.out / "side-by-side.jpg", quality=90)
    return document


def recognise(
    test: Sequence[Path],
    others: Sequence[Path],
    candidates: Sequence[Candidate],
    vgg: Vgg,
    tell: Callable[[str], None],
) -> dict[str, Any] | None:
    """Let a classifier say whether labelled test photos are still what they were; None where labels are missing.

    Returns how often the classifier is right about the photos themselves, which bounds what agreement means.
    """
    classes = labelled(others)
    witnesses = Panel.of(
        stratified([photo for photo in test if label_of(photo) in classes], WITNESSES, label_of), WITNESS_PX
    )
    if not witnesses.photos:
        return None
    device = candidates[0].rows.device
    tell(f"learning to tell {len(classes)} classes apart")
    examples = [(i, photo) for i, photos in enumerate(classes.values()) for photo in photos]
    found = torch.cat([pooled(witnesses.load(photo).to(device), vgg) for _, photo in examples])
    recogniser = Recogniser(found, torch.tensor([i for i, _ in examples], device=device))
    right = 0
    for number, path in enumerate(witnesses.photos, 1):
        tell(f"labelled photo {number} of {len(witnesses.photos)}: {path.name}")
        photo = witnesses.load(path).to(device)
        right += list(classes)[int(recogniser.classify(pooled(photo, vgg)))] == label_of(path)
        for candidate in candidates:
            candidate.witness(photo, recogniser, vgg)
    return {
        "classes": list(classes),
        "photos": [path.name for path in witnesses.photos],
        "data_sha256": witnesses.data_hash,
        "accuracy": right / len(witnesses.photos),
    }


def shipped_white(painted: Tensor, photo: Tensor) -> float | None:
    """Share of the white background kept once the paint is composed with it protected, as it is shipped.

    The paint itself is the bare network's, whose statistics see the white, too: those figures compare with
    other networks'. Takes (3, H, W) twice; None where the photo is no shot on white.
    """
    rgb, paint_rgb = to_pixels(photo), to_pixels(painted)
    shipped = torch.from_numpy(compose(rgb, rgb, paint_rgb, paint_weight(rgb), strength=1)).permute(2, 0, 1)
    kept = float(white_kept(shipped[None].float() / 255, photo[None].cpu()))
    return None if math.isnan(kept) else kept


def to_picture(image: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] → a picture of 8 bits."""
    return Image.fromarray(to_pixels(image))


def to_pixels(image: Tensor) -> Pixels:
    """(3, H, W) in [0, 1] → uint8 (H, W, 3)."""
    pixels = (image.float() * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.cpu().numpy())


def _all(figures: Mapping[str, Sequence[Figures]]) -> list[Figures]:
    return [one for found in figures.values() for one in found]


def _thumbnail_of(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return thumbnail(image.convert("RGB"))
