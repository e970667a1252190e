"""What a look protects where its user did not choose: the kinds of its styles decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.look import Look
from shared.models.styles import StyleRow
from shared.protection import Protect


def settle_protection(look: Look, rows: Mapping[str, StyleRow]) -> Look:
    """Return the look with what it protects, if that was not chosen.

    Paintings keep the colour and the lettering of the product: they are the styles whose colours are those of
    another picture. Procedural and monochrome styles change colour by intention and protect nothing. In a mix the
    kind with the greater weight decides.
    """
    if look.protect != Protect.AUTO:
        return look
    paintings = sum(weight for name, weight in look.mix if _is_painting(rows[name]))
    if paintings >= 0.5:
        return replace(look, protect=Protect.COLOUR, lettering=True)
    return replace(look, protect=Protect.NONE)


def _is_painting(row: StyleRow) -> bool:
    return not (row.is_procedural or row.is_monochrome)
