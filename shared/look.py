"""Look: everything that decides the pixels of a rendition."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

from shared.background import normal_form
from shared.errors import UsageError
from shared.protection import Protect, parse_protection, protection_text
from shared.strength import Strength

WHITE_CHOICES = ("keep", "paint")


@dataclass(frozen=True)
class Look:
    """Style mix and how it is applied. Each job has one; the batch provides the default.

    ``mix``            (style name, weight) pairs, sorted by name, weights in (0, 1] with the sum 1.
    ``strength``       0 to 1; 0 is the photo, exactly.
    ``texture_scale``  0.25 to 4; size of the strokes relative to the picture, whatever its resolution: 1 is as
                       painted at ``working_px`` (768), 1.5 as on a picture of 512 px.
    ``white``          ``keep`` leaves the white background of a product shot white, ``paint`` styles it.
    ``protect``        what of the product is kept, see ``Protect``. Looks stored before protection existed have none.
    ``lettering``      whether text on the product is kept readable.
    ``background``     what stands behind the product, see ``shared.background``; empty is the photo's own.
    ``product_strength``  strength on the product, 0 to 1; None if it is ``strength``, too, or ``protect`` decides.
    """

    mix: tuple[tuple[str, float], ...]
    strength: float = 1.0
    texture_scale: float = 1.0
    white: str = "keep"
    protect: str = Protect.NONE
    lettering: bool = False
    product_strength: float | None = None
    background: str = ""

    def __post_init__(self) -> None:
        if not self.mix:
            raise UsageError("a look needs at least one style: name one, as in --style starry-night")
        names = [name for name, _ in self.mix]
        if len(set(names)) != len(names):
            raise UsageError(f"the mix {self.style!r} repeats a style: name each once")
        weights = [weight for _, weight in self.mix]
        if not all(math.isfinite(w) and w > 0 for w in weights) or abs(sum(weights) - 1) > 1e-6:
            raise UsageError(f"the weights of the mix {self.style!r} must be positive and sum to 1")
        if not 0 <= self.strength <= 1:
            raise UsageError(f"strength {self.strength} must be from 0 to 1")
        if not 0.25 <= self.texture_scale <= 4:
            raise UsageError(f"texture scale {self.texture_scale} must be from 0.25 to 4")
        if self.white not in WHITE_CHOICES:
            raise UsageError(f"white {self.white!r} is unknown: choose keep or paint")
        if self.protect not in list(Protect):
            raise UsageError(f"protection {self.protect!r} is unknown: choose {', '.join(Protect)}")
        if self.product_strength is not None and not 0 <= self.product_strength <= 1:
            raise UsageError(f"strength {self.product_strength} of the product must be from 0 to 1")
        if self.product_strength is not None and self.protect == Protect.PRODUCT:
            raise UsageError(
                f"--protect product leaves the product as it is, so it has no strength {self.product_strength:g}:"
                " leave out one of them"
            )

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles in the mix, sorted."""
        return tuple(name for name, _ in self.mix)

    @property
    def style(self) -> str:
        """Return the mix as merchants write it: ``starry-night`` or ``great-wave:0.3,udnie:0.7``."""
        if len(self.mix) == 1:
            return self.mix[0][0]
        return ",".join(f"{name}:{weight:g}" for name, weight in self.mix)

    @property
    def strengths(self) -> Strength:
        """Return the strengths of scene and product, as the user wrote them."""
        return Strength(self.strength, self.product_strength)

    @property
    def protection(self) -> str:
        """Return what is protected as merchants write it: ``none`` or ``colour+lettering``."""
        return protection_text(self.protect, self.lettering)

    @property
    def needs_mask(self) -> bool:
        """Return whether the pixels depend on where the product is."""
        return (
            self.protect != Protect.NONE or self.lettering or self.product_strength is not None or self.background != ""
        )

    @property
    def is_photo(self) -> bool:
        """Return whether the rendition is the photo itself, whatever the style."""
        return self.strength == 0 and not self.product_strength

    @cached_property
    def json(self) -> str:
        """Return the look as JSON text. It is cached, since a million jobs may contain it."""
        return json.dumps(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the look as plain data, as stored in Postgres.

        A field that came later is left out where it has its default, so that digests of older looks stay valid.
        """
        later = {name: getattr(self, name) for name in LATER if getattr(self, name) != LATER[name]}
        return {
            "mix": dict(self.mix),
            "strength": self.strength,
            "texture_scale": self.texture_scale,
            "white": self.white,
            **later,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from the plain data that ``to_json`` returned."""
        mix = tuple(sorted((str(k), float(v)) for k, v in data["mix"].items()))
        later = {name: data.get(name, default) for name, default in LATER.items()}
        return cls(mix, float(data["strength"]), float(data["texture_scale"]), str(data["white"]), **later)

    def digest(self, style_rows: Mapping[str, str], making: Mapping[str, object]) -> str:
        """Return the sha256 (hex) of the look together with the hashes of its style vectors.

        ``style_rows`` maps each style name to the sha256 of its vector, so that a style learnt again gives another
        look under the same name. ``making`` contains the settings that decide pixels. Looks with equal digests give
        equal pixels. The reverse does not hold: at strength 0 the other fields still count, which costs a little
        reuse and keeps the rule simple.
        """
        parts = self.to_json() | {"rows": {name: style_rows[name] for name in self.styles}, "making": dict(making)}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class LookChanges(NamedTuple):
    """What a row of a manifest says of its look; what is None is left to the batch's look."""

    style: str | None = None
    strength: Strength | None = None
    protect: str | None = None
    background: str | None = None

    def applied(self, look: Look) -> Look:
        """Return the look of a row in a batch with this look. Raises UsageError."""
        changes: dict[str, Any] = {}
        if self.style is not None:
            changes["mix"] = parse_mix(self.style)
        if self.strength is not None:
            changes["strength"], changes["product_strength"] = self.strength
        if self.protect is not None:
            changes["protect"], changes["lettering"] = parse_protection(self.protect)
        if self.background is not None:
            changes["background"] = normal_form(self.background)
        return replace(look, **changes)


LATER: Mapping[str, Any] = {
    field.name: field.default
    for field in fields(Look)
    if field.name not in ("mix", "strength", "texture_scale", "white")
}
"""Fields that came after looks were first stored, with the defaults that mean "as before"."""


def parse_looks(
    styles: Iterable[str], strength: str, texture_scale: float, white: str, protect: str, background: str = ""
) -> tuple[Look, ...]:
    """Return the looks of a request, one for each style or mix, without repetitions. Raises UsageError."""
    strengths, (kept, lettering) = Strength.parse(strength), parse_protection(protect)
    ground = normal_form(background)
    looks = (
        Look(parse_mix(style), strengths.scene, texture_scale, white, kept, lettering, strengths.product, ground)
        for style in styles
    )
    return tuple(dict.fromkeys(looks))


def parse_mix(text: str) -> tuple[tuple[str, float], ...]:
    """Parse ``name`` or ``name:weight,name:weight`` into a mix; weights are normalised to sum to 1.

    Raises UsageError, which names the wrong part.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise UsageError("no style given: name one, as in --style starry-night")
    weighted: list[tuple[str, float]] = []
    for part in parts:
        name, _, weight = part.partition(":")
        try:
            value = float(weight) if weight else 1.0
        except ValueError:
            raise UsageError(f"style weight {weight!r} in {part!r} is not a number") from None
        if not math.isfinite(value) or value <= 0:
            raise UsageError(f"style weight {weight!r} in {part!r} must be above 0")
        weighted.append((name.strip(), value))
    total = sum(weight for _, weight in weighted)
    return tuple(sorted((name, weight / total) for name, weight in weighted))
