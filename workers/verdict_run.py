"""Measuring a candidate beside a champion, on photos and style images that are in memory.

both versions with the styles they share (``Pair``) → what they are measured on (``Material``, from a folder in
``workers/verdict_files.py``, from the store in ``workers/verdict_photos.py``) → figures and contact sheet → verdict
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, text
from torch import Tensor

from shared.database import transaction
from shared.errors import Conflict, UsageError
from shared.model_versions import ModelVersion, champion, version_of
from shared.promotion.promotions import lost_styles, own_styles
from shared.promotion.verdicts import Sheet, judge
from shared.store import ObjectStore
from shared.styles import learnt_rows, list_styles
from workers.candidate import Candidate, Seen
from workers.contact_sheet import Cell, contact_sheet, side_by_side
from workers.look_photos import LookPainter, LookPhoto, StyleSight, measure_looks
from workers.model.checkpoint import Checkpoint, trunk_from_bytes
from workers.model.config import StyleSource
from workers.model.evaluation import STYLE_PX, StyleTargets, summary
from workers.model.vgg import Vgg
from workers.painter import Painter
from workers.studio import verified_object


@dataclass(frozen=True)
class Measured:
    """A version in memory: its checkpoint with the public styles alone."""

    version: ModelVersion
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Pair:
    """Whom is measured beside whom.

    ``lost`` are the styles that the champion knows and the candidate does not, ``own`` what becomes of merchants' own.
    """

    candidate: Measured
    champion: Measured
    lost: Sequence[str]
    own: Mapping[str, Mapping[str, int]]

    @property
    def ids(self) -> tuple[int, int]:
        """Numbers of candidate and champion."""
        return self.candidate.version.id, self.champion.version.id

    @property
    def styles(self) -> list[StyleSource]:
        """The styles that both know."""
        known = self.champion.checkpoint.rows
        return [style for style in self.candidate.checkpoint.styles if style.name in known]


@dataclass(frozen=True)
class Material:
    """What two versions are measured on.

    ``styles``     images of styles by name, uint8 (3, H, W), the shorter side at most ``STYLE_PX``.
    ``panel``      photos that no training saw, each with a name for the contact sheet, (1, 3, H, W) in [0, 1].
    ``px``         long side of the photos at most.
    ``data_sha256``  names the panel: the photos' contents and ``px``.
    ``look_photos`` photos in their looks, in parts that are reported each for itself, by name.
    ``working_px`` long side at which those are painted at most.
    ``merchants``  whose photos all these are, where they are merchants'.
    """

    styles: Mapping[str, Sequence[Tensor]]
    panel: Sequence[tuple[str, Tensor]]
    px: int
    data_sha256: str
    look_photos: Mapping[str, Sequence[LookPhoto]] = field(default_factory=dict)
    working_px: int = 768
    merchants: Sequence[int] = ()


@dataclass(frozen=True)
class Findings:
    """What was found: the verdict as plain data, and the contact sheet, a PNG."""

    figures: dict[str, Any]
    sheet: bytes


def load_pair(engine: Engine, store: ObjectStore, candidate_id: int, champion_id: int | None = None) -> Pair:
    """Load a candidate and whom it is measured beside: by default the champion of now.

    Raises NotFound, Conflict (``is_champion``), or ModelUnavailable.
    """
    with transaction(engine) as connection:
        other = champion(connection) if champion_id is None else version_of(connection, champion_id)
        if other.id == candidate_id:
            raise Conflict(f"model version {other.id} would be compared with itself: name another", code="is_champion")
        mine = version_of(connection, candidate_id)
        pair = _load(connection, store, mine), _load(connection, store, other)
        return Pair(*pair, lost_styles(connection, other, mine), own_styles(connection, other, mine))


def _load(connection: Connection, store: ObjectStore, version: ModelVersion) -> Measured:
    stored = learnt_rows(connection, None, version.trunk_sha256)
    about = {style.name: style for style in list_styles(connection, None, version.trunk_sha256)}
    files = _files_of(connection, version)
    sources = tuple(
        StyleSource(name, files.get(name, ""), about[name].title, about[name].artist) for name in sorted(stored)
    )
    trunk = verified_object(store, version.object_key, version.trunk_sha256)
    rows = {name: verified_object(store, row.object_key, row.sha256) for name, row in stored.items()}
    return Measured(version, Checkpoint(trunk_from_bytes(trunk).architecture, trunk, rows, sources))


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


def require_images(pair: Pair, images: Mapping[str, object], where: str) -> None:
    """Raise UsageError if there is no image of any style that both know; ``where`` says where they were looked for."""
    if not images:
        names = ", ".join(style.name for style in pair.styles)
        raise UsageError(f"no style can be measured: no image of {names or 'a shared style'} is in {where}")


def measure_pair(pair: Pair, material: Material, vgg: Vgg, progress: Callable[[str], None]) -> Findings:
    """Paint every photo of the panel in every style by both, then those that wear a look in that, and measure.

    ``progress`` is told where it is. The verdict is on the panel alone.
    """
    device = next(vgg.parameters()).device
    progress("the images of the styles")
    targets = StyleTargets.of(list(material.styles.values()), vgg, device)
    # The champion comes first on the sheet.
    other, mine = (
        Candidate(f"model version {one.version.id}", one.checkpoint, material.styles, targets, device)
        for one in (pair.champion, pair.candidate)
    )
    for number, (name, photo) in enumerate(material.panel, 1):
        seen = Seen.of(name, photo.to(device), vgg)
        for candidate in (other, mine):
            where = f"photo {number} of {len(material.panel)}, {name}, by {candidate.name}"
            candidate.sit(seen, vgg, partial(progress, where))
    unmeasured = sorted({style.name for style in pair.styles} - material.styles.keys())
    verdict = judge(mine.figures, other.figures, missing=pair.lost, unmeasured=unmeasured)
    figures = verdict.as_json() | {
        "panel": {
            "data_sha256": material.data_sha256,
            "px": material.px,
            "photos": [name for name, _ in material.panel],
        },
        "style_px": STYLE_PX,
        "own_styles": pair.own,
        "measured": {
            style.name: {"candidate": summary(mine.figures[style.name]), "champion": summary(other.figures[style.name])}
            for style in mine.styles
        },
    }
    parts, rows = _measure_parts(pair, material, StyleSight.of(vgg, list(material.styles), targets), progress)
    return Findings(figures | {"parts": parts}, _png([*side_by_side([other.sheet, mine.sheet]), *rows]))


def _measure_parts(
    pair: Pair, material: Material, sight: StyleSight, progress: Callable[[str], None]
) -> tuple[dict[str, Any], list[list[Cell | None]]]:
    """Measure the photos that wear a look; return the figures of each part, and rows for the contact sheet."""
    trunks = {one.checkpoint.trunk_sha256: one.checkpoint.trunk for one in (pair.candidate, pair.champion)}
    painter = Painter(next(sight.vgg.parameters()).device, trunks.__getitem__)
    mine, other = (LookPainter(one.checkpoint, painter, material.working_px) for one in (pair.candidate, pair.champion))
    parts, rows = {}, []
    for part, photos in material.look_photos.items():
        parts[part], more = measure_looks(photos, mine, other, sight, progress)
        rows += more
    return parts, rows


def _png(rows: Sequence[Sequence[Cell | None]]) -> bytes:
    """The contact sheet: each style, and each look, by the champion (1) and the candidate (2)."""
    data = io.BytesIO()
    contact_sheet(rows).save(data, "png")
    return data.getvalue()


def put_sheet(store: ObjectStore, findings: Findings, merchants: Sequence[int] = ()) -> Sheet:
    """Store a contact sheet under the hash of its bytes."""
    key = f"verdicts/{hashlib.sha256(findings.sheet).hexdigest()}.png"
    store.put(key, findings.sheet, content_type="image/png")
    return Sheet(key, merchants)
