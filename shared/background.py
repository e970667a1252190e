"""Background of a look: what stands behind the product instead of the photo's own ground."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import UsageError

CHOICES = "keep, white, transparent, #rrggbb, gradient:#rrggbb,#rrggbb, or picture:NAME"

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_PICTURE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Colour = tuple[int, int, int]


class Ground(StrEnum):
    """Kinds of background."""

    COLOUR = "colour"  # white is one, too
    GRADIENT = "gradient"  # from the top colour to the bottom one
    TRANSPARENT = "transparent"  # the product cut out
    PICTURE = "picture"  # one that the merchant has uploaded


@dataclass(frozen=True)
class Background:
    """A parsed background.

    ``colours``  one colour, or the top and bottom ones of a gradient: red, green, blue of 0 to 255.
    ``picture``  name of the merchant's picture, or, once it is looked up, the sha256 of its bytes.
    """

    ground: Ground
    colours: tuple[Colour, ...] = ()
    picture: str = ""

    @property
    def is_stored(self) -> bool:
        """Whether ``picture`` is the sha256 of the picture, which never changes, and no longer its name."""
        return _SHA256.fullmatch(self.picture) is not None


def normal_form(text: str) -> str:
    """Return a background as looks store it: in lower case, without blanks; ``keep`` is empty. Raises UsageError."""
    text = "".join(text.split()).lower()
    if text not in ("", "keep"):
        parse_background(text)
    return "" if text == "keep" else text


def parse_background(text: str) -> Background:
    """Parse ``white``, ``transparent``, ``#rrggbb``, ``gradient:TOP,BOTTOM`` or ``picture:NAME``.

    Raises UsageError, which names the choices.
    """
    kind, _, rest = text.partition(":")
    if text == "white":
        return Background(Ground.COLOUR, ((255, 255, 255),))
    if text == "transparent":
        return Background(Ground.TRANSPARENT)
    if kind == "picture" and _PICTURE.fullmatch(rest):
        return Background(Ground.PICTURE, picture=rest)
    colours = rest.split(",") if kind == "gradient" else [text]
    if len(colours) == (2 if kind == "gradient" else 1) and all(map(_COLOUR.fullmatch, colours)):
        ground = Ground.GRADIENT if kind == "gradient" else Ground.COLOUR
        return Background(ground, tuple(map(_colour, colours)))
    raise UsageError(f"background {text[:80]!r} is unknown: choose {CHOICES}", code="bad_background")


def _colour(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
