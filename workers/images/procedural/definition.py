"""Definitions of procedural styles: a kind and its parameters, as immutable bytes that a hash names."""

from __future__ import annotations

import json
from typing import Any, Protocol

from workers.images.grading.grade import Grade
from workers.images.grading.lut import ColourTable
from workers.images.procedural.drawing import LineDrawing
from workers.images.procedural.film import Film
from workers.images.procedural.gradient import Gradient
from workers.images.procedural.poster import Poster
from workers.images.procedural.screen import Halftone, Ink
from workers.images.procedural.tones import BadStyle, Pixels

GRADES = {"grade": Grade, "colour-table": ColourTable}
"""Kinds that change tone and colour alone."""

KINDS = {
    "halftone": Halftone,
    "film": Film,
    "gradient": Gradient,
    "poster": Poster,
    "line-drawing": LineDrawing,
    **GRADES,
}


class Effect(Protocol):
    """What a definition stands for."""

    def apply(self, photo: Pixels, scale: float) -> Pixels:
        """Return what the style makes of a photo, uint8 (H, W, 3); ``scale`` enlarges its dots, grains and lines."""


def effect_from_bytes(data: bytes) -> Effect:
    """Read a definition, JSON as ``{"kind": "gradient", "colours": [...]}``. Raises BadStyle."""
    try:
        fields: dict[str, Any] = json.loads(data, parse_constant=_refuse)
        kind = KINDS[fields.pop("kind")]
        if "inks" in fields:
            fields["inks"] = tuple(Ink(**ink) for ink in fields["inks"])
        effect: Effect = kind(**{name: _frozen(value) for name, value in fields.items()})
    except BadStyle:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadStyle(f"this is not the definition of a procedural style: {error!r}") from error
    return effect


def _refuse(constant: str) -> float:
    raise BadStyle(f"the definition of the style is not valid: {constant} is no number")


def _frozen(value: Any) -> Any:
    """Lists become tuples, as a value that never changes has them."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
