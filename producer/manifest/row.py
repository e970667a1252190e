"""One row of a manifest."""

from __future__ import annotations

import re
from typing import NamedTuple

from shared.errors import InvalidInput

# Of Python's strings, the ones Postgres cannot store: NUL and lone surrogates.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class ManifestRow(NamedTuple):
    """One image the merchant asks for, or the reason why the row cannot be one.

    A tuple, since a million of them are made: a frozen dataclass takes four times as long.

    ``line``      1-based line in the file where the row begins, or a running number for listings.
    ``sku``       from its column, else the image's path relative to the input, without extension.
    ``source``    absolute ``file://``, ``s3://`` or ``http(s)://`` URL; empty if the row is bad.
    ``image``     what the row calls its image, for results and errors: the same URL also where the row is
                  bad, or the text as it came where that is none.
    ``output``    relative POSIX path without extension, safe to create and unique in the manifest.
    ``style``     the mix as the merchant wrote it (its syntax is checked), None for the batch's own.
    ``strength``  0 to 1, None for the batch's own.
    ``columns``   the row as it came, always storable, for errors.csv.
    ``error``     what is wrong with the row, with its code; None for a good one.
    """

    line: int
    sku: str
    source: str
    image: str
    output: str
    style: str | None
    strength: float | None
    columns: dict[str, str]
    error: InvalidInput | None


def storable(text: str) -> str:
    """Return the text with whatever Postgres cannot store replaced by U+FFFD."""
    return text if text.isprintable() else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def shortened(text: str) -> str:
    """Return the text as it fits into a message."""
    return text if len(text) <= 200 else text[:200] + "…"
