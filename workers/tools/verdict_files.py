"""Make a verdict from photos and style images in folders, for ``atelier models compare``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from shared.context import Session
from shared.database import transaction
from shared.merchants import audit
from shared.models.promotion.verdicts import StoredVerdict, add_verdict
from workers.model.config import StyleSource
from workers.model.dataset import PhotoSet, load_image
from workers.model.learning.style_set import style_files
from workers.model.measures.evaluation import STYLE_PX
from workers.model.measures.panel import PANEL_PHOTOS, Panel, folder_of, split, stratified
from workers.runtime.painter import choose_device
from workers.training.features import MOST_PHOTOS, load_vgg
from workers.training.verdict_run import Material, load_pair, measure_pair, put_sheet, require_images

SUFFIXES = (".jpg", ".png", ".jpeg", ".webp", "")
"""Suffixes of a style's image whose name is not given; the empty one stands for a folder of several images."""


@dataclass(frozen=True)
class VerdictFiles:
    """Files on which versions are measured.

    ``photos``  folders of photos, split as in training; the panel is from the test split.
    ``styles``  folder of style images.
    ``vgg``     VGG-19 features, a file or a URL; None uses the default place.
    ``only``    styles to measure; empty means all.
    ``px``      long side of the photos.
    """

    photos: Sequence[Path]
    styles: Path
    vgg: str | None = None
    only: Sequence[str] = ()
    px: int = 384


def compare_on_files(
    session: Session, candidate: int, champion: int | None, files: VerdictFiles, tell: Callable[[str], None]
) -> StoredVerdict:
    """Measure both versions (the champion by default), and store the contact sheet and the verdict.

    Raises NotFound, UsageError, Conflict or Unavailable.
    """
    pair = load_pair(session.engine, session.store, candidate, champion)
    images = {style.name: files_of_style for style in pair.styles if (files_of_style := _images(style, files))}
    require_images(pair, images, f"{files.styles}: --styles names their folder")
    few = partial(PhotoSet.load, list(files.photos), files.px, most=MOST_PHOTOS)
    vgg = load_vgg(files.vgg, session.settings, few, tell).to(choose_device(session.settings.device))
    findings = measure_pair(pair, _material(images, files), vgg, _once(tell))
    sheet, who = put_sheet(session.store, findings), audit.operator()
    with transaction(session.engine) as connection:
        stored = add_verdict(connection, pair.ids, findings.figures, sheet, who)
        audit.record(connection, who, "models compare", None, {"verdict": stored.id, "versions": pair.ids})
    return stored


def _material(images: dict[str, list[Path]], files: VerdictFiles) -> Material:
    panel = Panel.of(stratified(split(files.photos)[0], PANEL_PHOTOS, folder_of), files.px)
    styles: dict[str, list[Tensor]] = {
        name: [load_image(path, STYLE_PX) for path in own] for name, own in images.items()
    }
    return Material(styles, [(path.name, panel.load(path)) for path in panel.photos], files.px, panel.data_hash)


def _images(style: StyleSource, files: VerdictFiles) -> list[Path]:
    """Return the images of a style to measure; empty if there are none."""
    if files.only and style.name not in files.only:
        return []
    stems = (style.name.replace("-", "_"), style.name)
    for file in (style.file, *(stem + suffix for stem in stems for suffix in SUFFIXES)):
        if file and (files.styles / file).exists():
            return style_files(StyleSource(style.name, file), files.styles)
    return []


def _once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that reports a line only if it differs from the last one."""
    last_line = ""

    def tell_news(line: str) -> None:
        nonlocal last_line
        if line != last_line:
            tell(line)
        last_line = line

    return tell_news
