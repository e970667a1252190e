"""Clean texts from outside for storing: host names, status lines, file names and cells may contain anything."""

from __future__ import annotations

import re

# Characters of Python strings that Postgres cannot store: NUL and lone surrogates.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Return the text with every character that Postgres cannot store replaced by U+FFFD."""
    return text if text.isprintable() else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def is_storable(text: str) -> bool:
    """Return whether Postgres can store a text unchanged."""
    return text.isprintable() or _UNSTORABLE.search(text) is None
