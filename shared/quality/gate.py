"""The quality gate: what a merchant's renditions must be like, and what becomes of those that are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import Connection, text

from shared.errors import UsageError


class GateRule(StrEnum):
    """What becomes of a rendition beyond a gate's limits."""

    BLEND = "blend"
    """Its strength is taken back until the limits are kept, or none is left."""
    HOLD = "hold"
    """It stays as it is, and the catalogue does not show it before a review."""


@dataclass(frozen=True)
class Quality:
    """Figures of a rendition beside its photo, see ``workers.styling.measure``.

    ``content_distance``  1 − SSIM of the luminance: 0 for the photo itself, about 1 for something else.
    ``product_delta_e``   mean CIEDE2000 where it is painted: 0 for the photo's colours.
    ``white_kept``        share of the kept background that is as bright as in the photo: 1 is all of it.
    ``strength``          at which it was blended, which is less than the look's where the gate was not passed.
    ``lightness``         mean L* of the photo where it is painted, 0 to 100; None where nothing is.
    """

    content_distance: float
    product_delta_e: float
    white_kept: float
    strength: float
    lightness: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Those of the rendition, by name: strength and lightness are of what was asked for."""
        return {name: value for name, value in self.json.items() if name not in ("strength", "lightness")}

    @property
    def json(self) -> dict[str, float]:
        """As stored with the rendition."""
        return {name: round(value, 4) for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Gate:
    """Limits on the figures, None where there is none; a batch has the gate its merchant had when it began.

    ``rule`` says what becomes of a rendition beyond them.
    """

    content: float | None = None
    delta_e: float | None = None
    white: float | None = None
    rule: GateRule = GateRule.HOLD

    def __post_init__(self) -> None:
        if self.rule not in list(GateRule):
            raise UsageError(f"the gate's rule is {self.rule!r}: choose {' or '.join(GateRule)}")
        for name, most in (("content", 2.0), ("delta_e", 100.0), ("white", 1.0)):
            limit = getattr(self, name)
            if limit is not None and not 0 <= limit <= most:
                raise UsageError(f"the gate's {name} is {limit}: it must be from 0 to {most:g}")
        if self.content is self.delta_e is self.white is None:
            raise UsageError("a gate needs a limit: --content, --delta-e or --white")

    def passes(self, quality: Quality) -> bool:
        """Whether a rendition keeps the limits."""
        return (
            (self.content is None or quality.content_distance <= self.content)
            and (self.delta_e is None or quality.product_delta_e <= self.delta_e)
            and (self.white is None or quality.white_kept >= self.white)
        )

    @property
    def making(self) -> dict[str, object]:
        """What of it decides pixels: nothing unless it blends."""
        return {"gate": asdict(self)} if self.rule == GateRule.BLEND else {}

    @property
    def json(self) -> str:
        """As stored."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read back what ``json`` gave."""
        return cls(**{**data, "rule": GateRule(data["rule"])})


def find_gate(connection: Connection, merchant: int) -> Gate | None:
    """Return a merchant's gate, if there is one."""
    found = connection.execute(text("SELECT gate FROM merchants WHERE id = :id"), {"id": merchant}).scalar_one()
    return None if found is None else Gate.from_json(found)


def set_gate(connection: Connection, merchant: int, gate: Gate | None) -> None:
    """Give a merchant a gate, or none: for batches that begin from now on."""
    connection.execute(
        text("UPDATE merchants SET gate = CAST(:gate AS jsonb) WHERE id = :id"),
        {"id": merchant, "gate": None if gate is None else gate.json},
    )
