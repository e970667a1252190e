"""Evaluate generators from files, for ``atelier evaluate``, without any service."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from shared.errors import UsageError
from shared.settings import Settings
from workers.drawing.contact_sheet import contact_sheet, side_by_side
from workers.model.dataset import PhotoSet
from workers.model.measures.evaluation import GOAL, STYLE_PX
from workers.model.measures.lpips import Lpips
from workers.model.measures.panel import PANEL_PHOTOS, Panel, folder_of, split, stratified
from workers.model.measures.recognition import Recogniser, label_of, labelled, pooled
from workers.model.vgg import Vgg
from workers.runtime.painter import choose_device
from workers.training.candidate import Candidate, PanelPhoto
from workers.training.evaluation_files import EvaluationFiles
from workers.training.features import MOST_PHOTOS, load_vgg

RECOGNITION_PHOTOS = 20
RECOGNITION_PX = 192
"""Long side at which labelled photos are styled for recognition, which needs no detail."""

ROBUSTNESS_PHOTOS = 3
ROBUSTNESS_PX = 256
"""Number of photos for the robustness test, and their longest side: each needs nine renditions in every style."""


def evaluate_from_files(
    files: EvaluationFiles, settings: Settings, px: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Evaluate checkpoints on the frozen panel at ``px`` pixels on the long side.

    Writes ``evaluation.json``, which is also returned, a contact sheet per checkpoint, and one of the styles
    that several of them know, to ``files.out``. Raises UsageError if something is missing.
    """
    device = choose_device(settings.device)
    few = partial(PhotoSet.load, files.photos, px, most=MOST_PHOTOS)
    vgg = load_vgg(files.vgg, settings, few, tell).to(device)
    vgg.to(memory_format=torch.channels_last)
    lpips = None if files.lpips is None else Lpips.load(files.lpips).to(device)
    if lpips is None:
        tell("no --lpips: LPIPS is left out")
    candidates = [Candidate.load(folder, files, vgg, device) for folder in files.checkpoints]
    tell("choosing the panel")
    test, others = split(files.photos)
    panel = Panel.of(stratified(test, PANEL_PHOTOS, folder_of), px)
    shaken = Panel.of(panel.photos[:ROBUSTNESS_PHOTOS], min(px, ROBUSTNESS_PX))
    try:
        files.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to --out {files.out}: {error.strerror}") from error
    for number, path in enumerate(panel.photos, 1):
        tell(f"photo {number} of {len(panel.photos)}: {path.name}")
        panel_photo = PanelPhoto.of(path.stem, panel.load(path).to(device), vgg)
        for candidate in candidates:
            candidate.evaluate(panel_photo, vgg, lpips=lpips)
    for number, path in enumerate(shaken.photos, 1):
        tell(f"testing the robustness on photo {number} of {len(shaken.photos)}: {path.name}")
        photo = shaken.load(path).to(device)
        for candidate in candidates:
            candidate.measure_robustness(photo)
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
    """Measure whether a classifier still recognises labelled test photos once styled; None without labels.

    Also returns how often the classifier is right about the photos themselves, the upper limit of the agreement.
    """
    classes = labelled(others)
    labelled_panel = Panel.of(
        stratified([photo for photo in test if label_of(photo) in classes], RECOGNITION_PHOTOS, label_of),
        RECOGNITION_PX,
    )
    if not labelled_panel.photos:
        return None
    device = candidates[0].rows.device
    tell(f"training a classifier of {len(classes)} classes")
    examples = [(i, photo) for i, photos in enumerate(classes.values()) for photo in photos]
    features = torch.cat([pooled(labelled_panel.load(photo).to(device), vgg) for _, photo in examples])
    recogniser = Recogniser(features, torch.tensor([i for i, _ in examples], device=device))
    right = 0
    for number, path in enumerate(labelled_panel.photos, 1):
        tell(f"labelled photo {number} of {len(labelled_panel.photos)}: {path.name}")
        photo = labelled_panel.load(path).to(device)
        right += list(classes)[int(recogniser.classify(pooled(photo, vgg)))] == label_of(path)
        for candidate in candidates:
            candidate.measure_agreement(photo, recogniser, vgg)
    return {
        "classes": list(classes),
        "photos": [path.name for path in labelled_panel.photos],
        "data_sha256": labelled_panel.data_hash,
        "accuracy": right / len(labelled_panel.photos),
    }
