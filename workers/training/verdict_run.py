"""Measure a candidate against a champion, on photos and style images in memory.

both versions with the styles they share (``Pair``) → photos and style images (``Material``, from a folder in
``workers/tools/verdict_files.py``, from the store in ``verdict_photos.py``) → figures and contact sheet → verdict
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection, Engine, text
from torch import Tensor

from shared.database import transaction
from shared.errors import Conflict, UsageError
from shared.models.promotion.promotions import lost_styles, own_styles
from shared.models.promotion.verdict_details import OwnStyles, PanelPhotos, Part, StyleSummary, VerdictDetails
from shared.models.promotion.verdicts import ContactSheet, VerdictFigures, judge
from shared.models.styles import learnt_rows, list_styles
from shared.models.versions import ModelVersion, champion, version_of
from shared.store import ObjectStore
from workers.drawing.contact_sheet import Cell, contact_sheet, side_by_side
from workers.model.checkpoint import Checkpoint, trunk_from_bytes
from workers.model.config import StyleSource
from workers.model.measures.evaluation import STYLE_PX, StyleTargets, summary
from workers.model.vgg import Vgg
from workers.runtime.painter import Painter
from workers.styling.context import verified_object
from workers.training.candidate import Candidate, PanelPhoto
from workers.training.look_photos import LookFeatures, LookPainter, LookPhoto, measure_looks


@dataclass(frozen=True)
class Measured:
    """Version in memory: its checkpoint with the public styles only."""

    version: ModelVersion
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Pair:
    """Two versions to compare.

    ``lost`` are the styles that the champion knows and the candidate does not; ``own`` counts merchants' own styles,
    kept and lost.
    """

    candidate: Measured
    champion: Measured
    lost: Sequence[str]
    own: Mapping[str, OwnStyles]

    @property
    def ids(self) -> tuple[int, int]:
        """Return the numbers of candidate and champion."""
        return self.candidate.version.id, self.champion.version.id

    @property
    def styles(self) -> list[StyleSource]:
        """Return the styles that both know."""
        known = self.champion.checkpoint.rows
        return [style for style in self.candidate.checkpoint.styles if style.name in known]


@dataclass(frozen=True)
class Material:
    """Photos and style images on which two versions are measured.

    ``styles``     images of styles by name, uint8 (3, H, W), with a shorter side of at most ``STYLE_PX``.
    ``panel``      photos that no training saw, each with a name for the contact sheet, (1, 3, H, W) in [0, 1].
    ``px``         largest long side of the photos.
    ``data_sha256``  identifies the panel: the photos' contents and ``px``.
    ``look_photos`` photos in their looks, in parts that are reported separately, by name.
    ``working_px`` largest long side at which those are painted.
    ``merchants``  owners of these photos, if they are merchants'.
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
    """Result of a comparison: the verdict as plain data, and the contact sheet, a PNG."""

    figures: VerdictFigures
    sheet: bytes


def load_pair(engine: Engine, store: ObjectStore, candidate_id: int, champion_id: int | None = None) -> Pair:
    """Load a candidate and the version to compare it with, by default the champion.

    Raises NotFound, Conflict (``is_champion``), or ModelUnavailable.
    """
    with transaction(engine) as connection:
        champion_version = champion(connection) if champion_id is None else version_of(connection, champion_id)
        if champion_version.id == candidate_id:
            raise Conflict(
                f"model version {candidate_id} would be compared with itself: choose another version",
                code="is_champion",
            )
        candidate_version = version_of(connection, candidate_id)
        measured = _load(connection, store, candidate_version), _load(connection, store, champion_version)
        lost = lost_styles(connection, champion_version, candidate_version)
        return Pair(*measured, lost, own_styles(connection, champion_version, candidate_version))


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
    """Return the file names of the style images in a version's training, as far as they are recorded."""
    rows = connection.execute(
        text("""
        SELECT style ->> 'name' AS name, style ->> 'file' AS file FROM model_versions v
        CROSS JOIN jsonb_path_query(v.provenance, '$.config.styles[*]') style WHERE v.id = :id
        """),
        {"id": version.id},
    )
    return {row.name: row.file for row in rows if row.name and row.file}


def require_images(pair: Pair, images: Mapping[str, object], where: str) -> None:
    """Raise UsageError if there is no image of any shared style; ``where`` names the place that was searched."""
    if not images:
        names = ", ".join(style.name for style in pair.styles)
        raise UsageError(f"no style can be measured: no image of {names or 'a shared style'} is in {where}")


def measure_pair(pair: Pair, material: Material, vgg: Vgg, progress: Callable[[str], None]) -> Findings:
    """Paint the panel in every style by both versions, then the photos that have a look, and measure the renditions.

    ``progress`` is called with the current step. The verdict is on the panel alone.
    """
    device = next(vgg.parameters()).device
    progress("the images of the styles")
    targets = StyleTargets.of(list(material.styles.values()), vgg, device)
    # The champion comes first on the sheet.
    champion, candidate = (
        Candidate(f"model version {measured.version.id}", measured.checkpoint, material.styles, targets, device)
        for measured in (pair.champion, pair.candidate)
    )
    for number, (name, photo) in enumerate(material.panel, 1):
        panel_photo = PanelPhoto.of(name, photo.to(device), vgg)
        for version in (champion, candidate):
            where = f"photo {number} of {len(material.panel)}, {name}, by {version.name}"
            version.evaluate(panel_photo, vgg, partial(progress, where))
    unmeasured = sorted({style.name for style in pair.styles} - material.styles.keys())
    verdict = judge(candidate.figures, champion.figures, missing=pair.lost, unmeasured=unmeasured)
    parts, rows = _measure_parts(pair, material, LookFeatures.of(vgg, list(material.styles), targets), progress)
    details = VerdictDetails(
        panel=PanelPhotos(material.data_sha256, material.px, tuple(name for name, _ in material.panel)),
        style_px=STYLE_PX,
        measured={
            style.name: StyleSummary(summary(candidate.figures[style.name]), summary(champion.figures[style.name]))
            for style in candidate.styles
        },
        own_styles=pair.own,
        parts=parts,
    )
    sheet = _png([*side_by_side([champion.sheet, candidate.sheet]), *rows])
    return Findings(VerdictFigures(verdict, details), sheet)


def _measure_parts(
    pair: Pair, material: Material, features: LookFeatures, progress: Callable[[str], None]
) -> tuple[dict[str, Part], list[list[Cell | None]]]:
    """Measure the photos that have a look; return the figures of each part, and rows for the contact sheet."""
    trunks = {
        measured.checkpoint.trunk_sha256: measured.checkpoint.trunk for measured in (pair.candidate, pair.champion)
    }
    painter = Painter(next(features.vgg.parameters()).device, trunks.__getitem__)
    candidate, champion = (
        LookPainter(measured.checkpoint, painter, material.working_px) for measured in (pair.candidate, pair.champion)
    )
    parts, rows = {}, []
    for part, photos in material.look_photos.items():
        parts[part], more = measure_looks(photos, candidate, champion, features, progress)
        rows += more
    return parts, rows


def _png(rows: Sequence[Sequence[Cell | None]]) -> bytes:
    """Draw the contact sheet: each style and each look, by the champion (1) and the candidate (2)."""
    data = io.BytesIO()
    contact_sheet(rows).save(data, "png")
    return data.getvalue()


def put_sheet(store: ObjectStore, findings: Findings, merchants: Sequence[int] = ()) -> ContactSheet:
    """Store a contact sheet under the hash of its bytes."""
    key = f"verdicts/{hashlib.sha256(findings.sheet).hexdigest()}.png"
    store.put(key, findings.sheet, content_type="image/png")
    return ContactSheet(key, merchants)
