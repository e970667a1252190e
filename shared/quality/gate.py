"""Quality gate: a merchant's limits for renditions, and what happens to those beyond them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, text

from shared.errors import UsageError


class GateRule(StrEnum):
    """What happens to a rendition beyond a gate's limits."""

    BLEND = "blend"
    """Its strength is reduced until the limits are met, or to 0."""
    HOLD = "hold"
    """It stays as it is, and out of the catalogue until a review."""


@dataclass(frozen=True)
class Quality:
    """Figures of a rendition compared with its photo, see ``workers.styling.measure``.

    ``content_distance``  1 − SSIM of the luminance: 0 for the photo itself, about 1 for an unrelated picture.
    ``product_delta_e``   mean CIEDE2000 over the painted area: 0 for the photo's colours.
    ``white_kept``        share of the preserved background that is as bright as in the photo.
    ``strength``          of the blend; lower than the look's if the gate reduced it.
    ``lightness``         mean L* of the photo over the painted area, 0 to 100; None if nothing is painted.
    """

    content_distance: float
    product_delta_e: float
    white_kept: float
    strength: float
    lightness: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Return the quality figures by name, without strength and lightness, which depend on the request."""
        return {name: value for name, value in self.json.items() if name not in ("strength", "lightness")}

    @property
    def json(self) -> dict[str, float]:
        """Return the figures as stored with the rendition."""
        return {name: round(value, 4) for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Gate:
    """Limits on the figures; None means no limit. A batch keeps the gate that its merchant had when it began.

    ``rule`` says what becomes of a rendition that does not meet them.
    """

    content: float | None = None
    delta_e: float | None = None
    white: float | None = None
    rule: GateRule = GateRule.HOLD

    def __post_init__(self) -> None:
        if self.rule not in list(GateRule):
            raise UsageError(f"gate rule {self.rule!r} is unknown: choose {' or '.join(GateRule)}")
        for name, most in (("content", 2.0), ("delta_e", 100.0), ("white", 1.0)):
            limit = getattr(self, name)
            if limit is not None and not 0 <= limit <= most:
                raise UsageError(f"the gate's {name} is {limit}: it must be from 0 to {most:g}")
        if self.content is self.delta_e is self.white is None:
            raise UsageError("a gate needs a limit: --content, --delta-e or --white")

    def passes(self, quality: Quality) -> bool:
        """Return whether a rendition is within the limits."""
        return (
            (self.content is None or quality.content_distance <= self.content)
            and (self.delta_e is None or quality.product_delta_e <= self.delta_e)
            and (self.white is None or quality.white_kept >= self.white)
        )

    @property
    def making(self) -> dict[str, object]:
        """Return the settings of the gate that decide pixels: none unless it blends."""
        return {"gate": asdict(self)} if self.rule == GateRule.BLEND else {}

    @property
    def json(self) -> str:
        """Return the gate as stored."""
        return json.dumps(asdict(self))

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
