"""Texts from outside, cleaned for storing: host names, status lines, file names and cells may hold anything."""

from __future__ import annotations

import re

# Of Python's strings, the ones Postgres cannot store: NUL and lone surrogates.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Return the text with whatever Postgres cannot store replaced by U+FFFD."""
    return text if text.isprintable() else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def is_storable(text: str) -> bool:
    """Tell whether Postgres can store a text as it is."""
    return text.isprintable() or _UNSTORABLE.search(text) is None
