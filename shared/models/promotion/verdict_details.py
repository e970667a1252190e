"""Details of a verdict: its photos, what was measured of each style, and what of other photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

Summary = Mapping[str, float | None]
"""Figures over the photos of a panel, by name."""


@dataclass(frozen=True)
class PanelPhotos:
    """Frozen panel of a verdict: its hash, the long side of its photos, and their names."""

    data_sha256: str
    px: int
    photos: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain data."""
        return cls(data["data_sha256"], data["px"], tuple(data["photos"]))


@dataclass(frozen=True)
class StyleSummary:
    """Figures of a style as painted by both versions."""

    candidate: Summary
    champion: Summary


@dataclass(frozen=True)
class PairedFigure:
    """Figure of renditions of the same photos by both versions: both means, and that of the difference.

    ``error`` is the standard error of the difference, None with a single photo.
    """

    candidate: float
    champion: float
    change: float
    error: float | None


@dataclass(frozen=True)
class Part:
    """Photos measured in their looks; ``unmeasured`` ones have a look that could not be."""

    photos: int
    unmeasured: int
    figures: Mapping[str, PairedFigure]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain data."""
        figures = {name: PairedFigure(**one) for name, one in data["figures"].items()}
        return cls(data["photos"], data["unmeasured"], figures)


@dataclass(frozen=True)
class OwnStyles:
    """Numbers of a merchant's own styles that the candidate knows and lacks."""

    kept: int
    lost: int


@dataclass(frozen=True)
class VerdictDetails:
    """What was measured for a verdict. None stands for what an earlier release did not record.

    ``measured``    by style.
    ``own_styles``  by merchant.
    ``parts``       by name: see ``shared.models.promotion.verdict_notes.PARTS``.
    """

    panel: PanelPhotos | None = None
    style_px: int | None = None
    measured: Mapping[str, StyleSummary] | None = None
    own_styles: Mapping[str, OwnStyles] | None = None
    parts: Mapping[str, Part] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the details as plain data, as printed and stored, without unknown ones."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from what ``as_json`` returned, in this release or an earlier one."""
        panel, measured = data.get("panel"), data.get("measured")
        own_styles, parts = data.get("own_styles"), data.get("parts")
        return cls(
            panel=None if panel is None else PanelPhotos.from_json(panel),
            style_px=data.get("style_px"),
            measured=None if measured is None else {name: StyleSummary(**one) for name, one in measured.items()},
            own_styles=None if own_styles is None else {name: OwnStyles(**one) for name, one in own_styles.items()},
            parts=None if parts is None else {name: Part.from_json(one) for name, one in parts.items()},
        )
