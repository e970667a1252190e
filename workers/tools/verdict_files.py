"""A verdict from files, as ``atelier models compare`` makes it: photos and style images lie in folders."""

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
"""Of a style's image, where nothing says what it is called; without one it is a folder of several."""


@dataclass(frozen=True)
class VerdictFiles:
    """What versions are measured on.

    ``photos``  folders of photos, split as in training: the panel is of the test split.
    ``styles``  folder of style images.
    ``vgg``     features, a file or a URL; None: where they usually are.
    ``only``    styles to be measured; all where it is empty.
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
    """Measure both (by default beside the champion of now), store the contact sheet and the verdict.

    Raises NotFound, UsageError, Conflict or Unavailable.
    """
    pair = load_pair(session.engine, session.store, candidate, champion)
    images = {style.name: found for style in pair.styles if (found := _images(style, files))}
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
    """Return the images of a style that is to be measured; none where there are none."""
    if files.only and style.name not in files.only:
        return []
    stems = (style.name.replace("-", "_"), style.name)
    for file in (style.file, *(stem + suffix for stem in stems for suffix in SUFFIXES)):
        if file and (files.styles / file).exists():
            return style_files(StyleSource(style.name, file), files.styles)
    return []


def _once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Tell what differs from what was told last."""
    told = ""

    def tell_news(line: str) -> None:
        nonlocal told
        if line != told:
            tell(line)
        told = line

    return tell_news
