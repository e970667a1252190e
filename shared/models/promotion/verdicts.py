"""Compare a candidate with a champion, photo by photo and style by style, on the frozen panel and on other photos."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean, stdev
from typing import Any, Self

from sqlalchemy import Connection, Row, text

from shared.errors import NotFound
from shared.models.promotion.verdict_details import PairedFigure, VerdictDetails

Figures = Mapping[str, float | None]
"""Measured figures of a rendition, by name; ``combined`` (lower is better) and ``white_kept`` (higher) decide."""


@dataclass(frozen=True)
class StyleVerdict:
    """Result of one style.

    ``change``      of the combined figure, as a share: 0.02 is 2 % worse. It is the geometric mean over the photos.
    ``white_lost``  share of the white background that the champion keeps and the candidate does not; None without
                    such a photo.
    """

    style: str
    change: float
    white_lost: float | None

    @property
    def regression(self) -> float:
        """Return how much worse the candidate is, as a share, by the worse of both figures; negative if better."""
        return max(self.change, self.white_lost or 0.0)


@dataclass(frozen=True)
class Verdict:
    """Result of a comparison.

    ``change`` and its standard ``error`` are over all styles, on the scale of the logarithm of the combined figure
    (near 0 this equals a share). Photos are independent of one another; the styles of one photo are not.
    ``missing`` are styles that the champion knows and the candidate does not, ``unmeasured`` those that both know
    but that have no style image.
    """

    styles: Sequence[StyleVerdict]
    change: float
    error: float
    photos: int
    missing: Sequence[str]
    unmeasured: Sequence[str]

    @property
    def regressions(self) -> list[StyleVerdict]:
        """Return the styles in which the candidate is worse, the worst first."""
        worse = [style for style in self.styles if style.regression > 0]
        return sorted(worse, key=lambda style: -style.regression)

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain data, as printed and stored. Infinite figures become None."""
        return {
            "styles": [
                style.__dict__ | {"change": _finite(style.change), "regression": _finite(style.regression)}
                for style in self.styles
            ],
            "change": _finite(self.change),
            "error": _finite(self.error),
            "photos": self.photos,
            "missing": list(self.missing),
            "unmeasured": list(self.unmeasured),
            "regressions": [style.style for style in self.regressions],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """Build from the plain data that ``as_json`` returned."""
        styles = [
            StyleVerdict(style["style"], _infinite(style["change"]), style["white_lost"]) for style in data["styles"]
        ]
        rest = (data[name] for name in ("photos", "missing", "unmeasured"))
        return cls(styles, _infinite(data["change"]), _infinite(data["error"]), *rest)


def _finite(figure: float) -> float | None:
    return figure if math.isfinite(figure) else None


def _infinite(figure: float | None) -> float:
    return math.inf if figure is None else figure


def judge(
    candidate: Mapping[str, Sequence[Figures]],
    champion: Mapping[str, Sequence[Figures]],
    *,
    missing: Sequence[str] = (),
    unmeasured: Sequence[str] = (),
) -> Verdict:
    """Compare measured figures of renditions of the same photos in the same order, by style.

    With a single photo, or one figure that is not finite, the error is infinite.
    """
    ratios = {name: _log_ratios(candidate[name], champion[name]) for name in candidate if name in champion}
    styles = [
        StyleVerdict(name, math.expm1(fmean(values)), _white_lost(candidate[name], champion[name]))
        for name, values in ratios.items()
    ]
    by_photo = [fmean(photo) for photo in zip(*ratios.values(), strict=True)]
    sure = len(by_photo) > 1 and all(map(math.isfinite, by_photo))
    return Verdict(
        styles=styles,
        change=fmean(by_photo) if by_photo else 0.0,
        error=stdev(by_photo) / math.sqrt(len(by_photo)) if sure else math.inf,
        photos=len(by_photo),
        missing=list(missing),
        unmeasured=list(unmeasured),
    )


def _log_ratios(candidate: Sequence[Figures], champion: Sequence[Figures]) -> list[float]:
    pairs = zip(candidate, champion, strict=True)
    logs = ((_log(new["combined"]), _log(old["combined"])) for new, old in pairs)
    return [0.0 if new == old else new - old for new, old in logs]


def _log(figure: float | None) -> float:
    """Return the logarithm of a combined figure; infinity where it could not be measured."""
    return math.log(figure) if figure is not None and 0 < figure < math.inf else math.inf


def _white_lost(candidate: Sequence[Figures], champion: Sequence[Figures]) -> float | None:
    lost = [
        old - new
        for new, old in (
            (figures["white_kept"], known["white_kept"]) for figures, known in zip(candidate, champion, strict=True)
        )
        if new is not None and old is not None
    ]
    return fmean(lost) if lost else None


def paired(
    candidate: Sequence[Mapping[str, float]], champion: Sequence[Mapping[str, float]]
) -> dict[str, PairedFigure]:
    """Compare figures of renditions of the same photos in the same order: both means, and that of the difference.

    ``error`` is the standard error of the latter; None with a single photo. Returns them by figure.
    """
    results = {}
    for name in candidate[0] if candidate else ():
        new, old = ([figures[name] for figures in measured] for measured in (candidate, champion))
        changes = [value - known for value, known in zip(new, old, strict=True)]
        error = stdev(changes) / math.sqrt(len(changes)) if len(changes) > 1 else None
        results[name] = PairedFigure(fmean(new), fmean(old), fmean(changes), error)
    return results


@dataclass(frozen=True)
class VerdictFigures:
    """All figures of a verdict: its result, and what was measured for it."""

    verdict: Verdict
    details: VerdictDetails = field(default_factory=VerdictDetails)

    def as_json(self) -> dict[str, Any]:
        """Return the figures as plain data, as printed and stored."""
        return self.verdict.as_json() | self.details.as_json()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from what ``as_json`` returned."""
        return cls(Verdict.from_json(data), VerdictDetails.from_json(data))


@dataclass(frozen=True)
class StoredVerdict:
    """Stored verdict, with its figures."""

    id: int
    candidate_id: int
    champion_id: int
    figures: VerdictFigures
    sheet_key: str | None
    made_by: str
    made_at: datetime

    @property
    def verdict(self) -> Verdict:
        """Return the result of the comparison."""
        return self.figures.verdict

    @classmethod
    def from_row(cls, row: Row[Any]) -> Self:
        """Build from a row of ``COLUMNS``."""
        return cls(**row._asdict() | {"figures": VerdictFigures.from_json(row.figures)})

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**self.__dict__, "figures": self.figures.as_json()}


COLUMNS = "id, candidate_id, champion_id, figures, sheet_key, made_by, made_at"


@dataclass(frozen=True)
class ContactSheet:
    """Stored contact sheet, and the merchants whose photos it shows. It is kept as long as all of them consent."""

    key: str
    merchants: Sequence[int] = ()


def add_verdict(
    connection: Connection, pair: tuple[int, int], figures: VerdictFigures, sheet: ContactSheet | None, actor: str
) -> StoredVerdict:
    """Store a verdict on ``pair``, the ids of candidate and champion."""
    row = connection.execute(
        text(f"""
        INSERT INTO verdicts (candidate_id, champion_id, figures, sheet_key, merchants, made_by)
        VALUES (:candidate, :champion, CAST(:figures AS jsonb), :sheet, :merchants, :who) RETURNING {COLUMNS}
        """),
        {
            "candidate": pair[0],
            "champion": pair[1],
            "figures": json.dumps(figures.as_json()),
            "sheet": sheet.key if sheet else None,
            "merchants": list(sheet.merchants) if sheet else [],
            "who": actor,
        },
    )
    return StoredVerdict.from_row(row.one())


def forget_own_styles(connection: Connection, merchant: int) -> None:
    """Remove the names of a merchant's own styles from all verdicts."""
    connection.execute(
        text("""
        UPDATE verdicts v SET figures = figures #- ARRAY['own_styles', m.name] || jsonb_build_object('missing', (
            SELECT coalesce(jsonb_agg(style), '[]') FROM jsonb_array_elements_text(figures -> 'missing') style
            WHERE NOT starts_with(style, m.name || '/')))
        FROM merchants m
        WHERE m.id = :merchant AND (figures -> 'own_styles' ? m.name OR EXISTS (
            SELECT FROM jsonb_array_elements_text(figures -> 'missing') style WHERE starts_with(style, m.name || '/')))
        """),
        {"merchant": merchant},
    )


def forget_sheets(connection: Connection, merchant: int) -> list[str]:
    """Remove contact sheets with a merchant's photos from all verdicts; return their keys, to be deleted."""
    rows = connection.execute(
        text("""
        UPDATE verdicts v SET sheet_key = NULL, merchants = '{}' FROM verdicts before
        WHERE v.id = before.id AND v.merchants @> ARRAY[CAST(:merchant AS bigint)] RETURNING before.sheet_key
        """),
        {"merchant": merchant},
    )
    return [key for key in rows.scalars() if key is not None]


def latest_verdict(connection: Connection, candidate_id: int, champion_id: int) -> StoredVerdict | None:
    """Return the newest verdict on two versions, or None."""
    row = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM verdicts WHERE candidate_id = :candidate AND champion_id = :champion
        ORDER BY id DESC LIMIT 1
        """),
        {"candidate": candidate_id, "champion": champion_id},
    ).one_or_none()
    return None if row is None else StoredVerdict.from_row(row)


def verdict_of(connection: Connection, verdict_id: int) -> StoredVerdict:
    """Return a verdict by its id. Raises NotFound."""
    row = connection.execute(text(f"SELECT {COLUMNS} FROM verdicts WHERE id = :id"), {"id": verdict_id}).one_or_none()
    if row is None:
        raise NotFound(f"no verdict {verdict_id}: `atelier models show` lists the verdicts on a version")
    return StoredVerdict.from_row(row)


def list_verdicts(connection: Connection, candidate_id: int) -> list[StoredVerdict]:
    """Return the verdicts on a candidate, newest first."""
    rows = connection.execute(
        text(f"SELECT {COLUMNS} FROM verdicts WHERE candidate_id = :candidate ORDER BY id DESC"),
        {"candidate": candidate_id},
    )
    return [StoredVerdict.from_row(row) for row in rows]
