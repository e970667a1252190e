"""One row of a manifest."""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import InvalidInput
from shared.look import LookChanges
from shared.strength import Strength


class ManifestRow(NamedTuple):
    """One image that the merchant requests, or the reason why the row is bad.

    A tuple, since there may be a million of them: creating a frozen dataclass takes four times as long.

    ``line``      1-based line in the file where the row begins, or a running number for listings.
    ``sku``       from its column, else the image's path relative to the input, without extension.
    ``source``    absolute ``file://``, ``s3://`` or ``http(s)://`` URL; empty if the row is bad.
    ``image``     name of the image in results and errors: the same URL even if the row is bad, or the
                  original text if it is no URL.
    ``output``    relative POSIX path without extension, safe to create and unique in the manifest.
    ``style``     mix as the merchant wrote it, with valid syntax; None for the batch's own.
    ``strength``  of product and scene, None for the batch's own.
    ``columns``   original row, always storable, for errors.csv.
    ``error``     problem of the row, with its code; None for a good row.
    ``position``  position among its product's pictures as the file says it; empty if it says none.
    ``category``  category of its product; empty if the file says none.
    ``background``  what stands behind the product, with valid syntax; None for the batch's own.
    ``protect``   what of the product is kept, with valid syntax; None for the batch's own.
    """

    line: int
    sku: str
    source: str
    image: str
    output: str
    style: str | None
    strength: Strength | None
    columns: dict[str, str]
    error: InvalidInput | None
    position: str = ""
    category: str = ""
    protect: str | None = None
    background: str | None = None

    @property
    def look(self) -> LookChanges:
        """Return what the row says of its look."""
        return LookChanges(self.style, self.strength, self.protect, self.background)


def shortened(text: str) -> str:
    """Return the text shortened for a message, with invisible characters shown by their numbers."""
    text = text if len(text) <= 200 else text[:200] + "…"
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    return char if char.isprintable() else f"<U+{ord(char):04X}>"
