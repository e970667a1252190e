"""Measuring a candidate beside a champion: on the frozen panel, in every style that both know."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from shared import audit
from shared.database import transaction
from shared.errors import Conflict, UsageError
from shared.model_versions import ModelVersion, champion, version_of
from shared.promotion.promotions import lost_styles
from shared.promotion.verdicts import StoredVerdict, add_verdict, judge
from shared.settings import Settings
from shared.store import ObjectStore
from shared.styles import list_styles, style_rows
from workers.contact_sheet import contact_sheet, side_by_side
from workers.evaluation_run import PANEL_PHOTOS, Candidate
from workers.features import MOST_PHOTOS, load_vgg
from workers.model.checkpoint import Checkpoint, trunk_from_bytes
from workers.model.config import StyleSource
from workers.model.dataset import PhotoSet
from workers.model.evaluation import STYLE_PX, summary
from workers.model.panel import Panel, split, stratified
from workers.model.style_set import style_files
from workers.painter import choose_device
from workers.studio import verified_object

SUFFIXES = (".jpg", ".png", ".jpeg", ".webp", "")
"""Of a style's image, where nothing says what it is called; without one it is a folder of several."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, and on what.

    ``champion_id``  None: the champion of now.
    ``photos``       folders of photos, split as in training: the panel is of the test split.
    ``styles``       folder of style images.
    ``vgg``          features, a file or a URL; None: where they usually are.
    ``only``         styles to be measured; all where it is empty.
    ``px``           long side of the photos.
    """

    candidate_id: int
    champion_id: int | None
    photos: Sequence[Path]
    styles: Path
    vgg: str | None = None
    only: Sequence[str] = field(default_factory=tuple)
    px: int = 384


@dataclass(frozen=True)
class _Measured:
    """A version in memory: its checkpoint with the public styles alone."""

    version: ModelVersion
    checkpoint: Checkpoint


def compare_versions(
    engine: Engine, store: ObjectStore, settings: Settings, wanted: Comparison, tell: Callable[[str], None]
) -> StoredVerdict:
    """Measure both, store the contact sheet and the verdict. Raises NotFound, UsageError, Conflict or Unavailable."""
    with transaction(engine) as connection:
        mine = _load(connection, store, version_of(connection, wanted.candidate_id))
        other = _load(connection, store, _champion(connection, wanted))
        lost = lost_styles(connection, other.version, mine.version)
    both = [style for style in mine.checkpoint.styles if style.name in other.checkpoint.rows]
    images = {style.name: found for style in both if (found := _images(style, wanted))}
    unmeasured = sorted({style.name for style in both} - images.keys())
    if not images:
        raise UsageError(f"no style can be measured: no image of {', '.join(unmeasured) or 'a shared style'} is in "
                         f"{wanted.styles}: --styles names their folder")  # fmt: skip
    device = choose_device(settings.device)
    vgg = load_vgg(wanted.vgg, settings, partial(PhotoSet.load, list(wanted.photos), wanted.px, most=MOST_PHOTOS), tell)
    vgg = vgg.to(device)
    panel = Panel.of(stratified(split(wanted.photos)[0], PANEL_PHOTOS), wanted.px)
    # The champion comes first on the sheet.
    candidates = [
        Candidate(f"model version {one.version.id}", one.checkpoint, images, vgg, device) for one in (other, mine)
    ]
    for number, path in enumerate(panel.photos, 1):
        tell(f"photo {number} of {len(panel.photos)}: {path.name}")
        photo = panel.load(path).to(device)
        for candidate in candidates:
            candidate.sit(photo, path.stem, vgg)
    figures = _figures(candidates[1], candidates[0], panel, missing=lost, unmeasured=unmeasured)
    sheet = _put_sheet(store, candidates)
    with transaction(engine) as connection:
        pair, who = (mine.version.id, other.version.id), audit.operator()
        stored = add_verdict(connection, pair, figures, sheet, who)
        audit.record(connection, who, "models compare", None, {"verdict": stored.id, "versions": pair})
    return stored


def _champion(connection: Connection, wanted: Comparison) -> ModelVersion:
    found = champion(connection) if wanted.champion_id is None else version_of(connection, wanted.champion_id)
    if found.id == wanted.candidate_id:
        raise Conflict(f"model version {found.id} would be compared with itself: name another", code="is_champion")
    return found


def _load(connection: Connection, store: ObjectStore, version: ModelVersion) -> _Measured:
    stored = style_rows(connection, None, version.trunk_sha256)
    about = {style.name: style for style in list_styles(connection, None, version.trunk_sha256)}
    files = _files_of(connection, version)
    sources = tuple(
        StyleSource(name, files.get(name, ""), about[name].title, about[name].artist) for name in sorted(stored)
    )
    trunk = verified_object(store, version.object_key, version.trunk_sha256)
    rows = {name: verified_object(store, row.object_key, row.sha256) for name, row in stored.items()}
    return _Measured(version, Checkpoint(trunk_from_bytes(trunk).architecture, trunk, rows, sources))


def _files_of(connection: Connection, version: ModelVersion) -> Mapping[str, str]:
    """Return what the training of a version called the images of its styles, as far as it says."""
    rows = connection.execute(
        text("""
        SELECT style ->> 'name' AS name, style ->> 'file' AS file FROM model_versions v
        CROSS JOIN jsonb_path_query(v.provenance, '$.config.styles[*]') style WHERE v.id = :id
        """),
        {"id": version.id},
    )
    return {row.name: row.file for row in rows if row.name and row.file}


def _images(style: StyleSource, wanted: Comparison) -> list[Path]:
    """Return the images of a style that is to be measured; none where there are none."""
    if wanted.only and style.name not in wanted.only:
        return []
    stems = (style.name.replace("-", "_"), style.name)
    for file in (style.file, *(stem + suffix for stem in stems for suffix in SUFFIXES)):
        if file and (wanted.styles / file).exists():
            return style_files(StyleSource(style.name, file), wanted.styles)
    return []


def _figures(
    mine: Candidate, other: Candidate, panel: Panel, *, missing: Sequence[str], unmeasured: Sequence[str]
) -> dict[str, Any]:
    verdict = judge(mine.figures, other.figures, missing=missing, unmeasured=unmeasured)
    return verdict.as_json() | {
        "panel": {"data_sha256": panel.data_hash, "px": panel.px, "photos": [path.name for path in panel.photos]},
        "style_px": STYLE_PX,
        "measured": {
            style.name: {"candidate": summary(mine.figures[style.name]), "champion": summary(other.figures[style.name])}
            for style in mine.styles
        },
    }


def _put_sheet(store: ObjectStore, candidates: Sequence[Candidate]) -> str:
    """Store the contact sheet, each style by the champion (1) and the candidate (2), under the hash of its bytes."""
    data = io.BytesIO()
    contact_sheet(side_by_side([candidate.sheet for candidate in candidates])).save(data, "png")
    key = f"verdicts/{hashlib.sha256(data.getvalue()).hexdigest()}.png"
    store.put(key, data.getvalue(), content_type="image/png")
    return key
