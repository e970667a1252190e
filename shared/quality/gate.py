"""Quality gate: a merchant's limits for renditions, and what happens to those beyond them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, text

from shared.errors import UsageError


class GateRule(StrEnum):
    """What happens to a rendition beyond a gate's limits."""

    BLEND = "blend"
    """Its strength is reduced until the limits are met, or to 0: first on the product, then everywhere."""
    HOLD = "hold"
    """It stays as it is, and out of the catalogue until a review."""


@dataclass(frozen=True)
class Quality:
    """Figures of a rendition compared with its photo, see ``workers.styling.measure``.

    A figure is None where there is nothing to measure: no lettering, or no product that can be told from its scene.

    ``content_distance``  1 − SSIM of the luminance: 0 for the photo itself, about 1 for an unrelated picture.
    ``product_delta_e``   mean CIEDE2000 on the product, or over the painted area if no product is known.
    ``white_kept``        share of the preserved background that is as bright as in the photo.
    ``strength``          of the blend; lower than the look's if the gate reduced it.
    ``lightness``         mean L* of the photo over the painted area, 0 to 100; None if nothing is painted.
    ``delta_e_p95``       95th percentile of CIEDE2000 where ``product_delta_e`` is the mean.
    ``edges``             agreement of the product's edges with the photo's: 1 for the same, about 0 for unrelated ones.
    ``lettering``         agreement of text-like areas with the photo's, as for edges.
    ``silhouette``        share of the product's outline that the photo shows and the rendition does not.
    ``halo``              how far a rim around the product is from the scene, in CIEDE2000 beyond the photo's.
    ``mask``              confidence in the product mask, 0 to 1; None if the look needs none.
    ``product_strength``  of the blend on the product, if it differs.
    ``background``        1 if it has the look's background, 0 if the photo's own stayed since no product was found.
    """

    content_distance: float
    product_delta_e: float
    white_kept: float
    strength: float
    lightness: float | None = None
    delta_e_p95: float | None = None
    edges: float | None = None
    lettering: float | None = None
    silhouette: float | None = None
    halo: float | None = None
    mask: float | None = None
    product_strength: float | None = None
    background: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Return the quality figures by name, without those that depend on the request."""
        return {name: value for name, value in self.json.items() if name in FIGURES}

    @property
    def json(self) -> dict[str, float]:
        """Return the figures as stored with the rendition."""
        return {name: round(value, 4) for name, value in asdict(self).items() if value is not None}


class Limit(NamedTuple):
    """Limit that a gate may set: on a figure of ``Quality``, from above or from below, itself at most ``largest``."""

    figure: str
    is_upper: bool
    largest: float


LIMITS: Mapping[str, Limit] = {
    "content": Limit("content_distance", True, 2.0),
    "delta_e": Limit("product_delta_e", True, 100.0),
    "white": Limit("white_kept", False, 1.0),
    "delta_e_p95": Limit("delta_e_p95", True, 100.0),
    "edges": Limit("edges", False, 1.0),
    "lettering": Limit("lettering", False, 1.0),
    "silhouette": Limit("silhouette", True, 1.0),
    "halo": Limit("halo", True, 100.0),
    "mask": Limit("mask", False, 1.0),
}
"""Limits by their name in a gate."""

FIGURES = tuple(limit.figure for limit in LIMITS.values())
"""Figures of ``Quality`` that a gate can limit."""

FIRST_LIMITS = ("content", "delta_e", "white")
"""Limits that gates had from the beginning; later ones are left out of what is stored where they are not set."""


@dataclass(frozen=True)
class Gate:
    """Limits on the figures; None means no limit. A batch keeps the gate that its merchant had when it began.

    A figure that a rendition does not have is within any limit. ``rule`` says what becomes of a rendition that does
    not meet them. The fields but ``rule`` are the keys of ``LIMITS``.
    """

    content: float | None = None
    delta_e: float | None = None
    white: float | None = None
    rule: GateRule = GateRule.HOLD
    delta_e_p95: float | None = None
    edges: float | None = None
    lettering: float | None = None
    silhouette: float | None = None
    halo: float | None = None
    mask: float | None = None

    def __post_init__(self) -> None:
        if self.rule not in list(GateRule):
            raise UsageError(f"gate rule {self.rule!r} is unknown: choose {' or '.join(GateRule)}")
        for name, value in self.limits.items():
            if not 0 <= value <= LIMITS[name].largest:
                raise UsageError(f"the gate's {name} is {value}: it must be from 0 to {LIMITS[name].largest:g}")
        if not self.limits:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in LIMITS)
            raise UsageError(f"a gate needs a limit: one of {options}")
        if self.mask is not None and self.rule == GateRule.BLEND:
            raise UsageError(
                "a lower strength does not change the confidence in a product mask: use --mask with --rule hold"
            )

    @property
    def limits(self) -> dict[str, float]:
        """Return the limits that are set, by name."""
        return {name: value for name in LIMITS if (value := getattr(self, name)) is not None}

    def passes(self, quality: Quality) -> bool:
        """Return whether a rendition is within the limits."""
        for name, value in self.limits.items():
            figure = getattr(quality, LIMITS[name].figure)
            if figure is not None and (figure > value if LIMITS[name].is_upper else figure < value):
                return False
        return True

    @property
    def making(self) -> dict[str, object]:
        """Return the settings of the gate that decide pixels: none unless it blends."""
        return {"gate": self.to_json()} if self.rule == GateRule.BLEND else {}

    def to_json(self) -> dict[str, Any]:
        """Return the gate as plain data."""
        data = asdict(self)
        return {name: data[name] for name in data if name in (*FIRST_LIMITS, "rule") or data[name] is not None}

    @property
    def json(self) -> str:
        """Return the gate as stored."""
        return json.dumps(self.to_json())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from what ``json`` returned."""
        return cls(**{**data, "rule": GateRule(data["rule"])})


def find_gate(connection: Connection, merchant: int) -> Gate | None:
    """Return a merchant's gate, or None."""
    gate = connection.execute(text("SELECT gate FROM merchants WHERE id = :id"), {"id": merchant}).scalar_one()
    return None if gate is None else Gate.from_json(gate)


def set_gate(connection: Connection, merchant: int, gate: Gate | None) -> None:
    """Set or remove a merchant's gate, for batches that begin from now on."""
    connection.execute(
        text("UPDATE merchants SET gate = CAST(:gate AS jsonb) WHERE id = :id"),
        {"id": merchant, "gate": None if gate is None else gate.json},
    )
