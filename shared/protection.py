"""What of the product a look keeps, as users write it."""

from __future__ import annotations

from enum import StrEnum

from shared.errors import UsageError
from shared.suggestions import did_you_mean


class Protect(StrEnum):
    """What of the product a look keeps."""

    AUTO = "auto"
    """Not chosen: the kinds of the styles decide when the batch begins. No stored look has it."""
    NONE = "none"
    """Nothing: the style paints the product like everything else."""
    COLOUR = "colour"
    """Hue and chroma of the product; lightness and texture come from the style."""
    PRODUCT = "product"
    """The product as it was; only the scene is painted."""
    SOFT = "soft"
    """The product is painted at a lower strength."""


LETTERING = "lettering"


def parse_protection(text: str) -> tuple[Protect, bool]:
    """Parse ``colour``, ``soft+lettering`` and the like into what is kept, and whether lettering is kept, too.

    Raises UsageError with the choices.
    """
    kept, *more = text.strip().split("+")
    if more not in ([], [LETTERING]) or kept not in list(Protect) or (more and kept == Protect.AUTO):
        choices = ", ".join(Protect)
        meant = did_you_mean(text, (protection_text(kept, more) for more in (False, True) for kept in Protect))
        raise UsageError(
            f"protection {text!r} is unknown{meant}: choose {choices}, and add +lettering to keep text readable, as in"
            " colour+lettering"
        )
    return Protect(kept), bool(more)


def protection_text(protect: str, lettering: bool) -> str:
    """Return the text that ``parse_protection`` reads."""
    return f"{protect}+{LETTERING}" if lettering else str(protect)
