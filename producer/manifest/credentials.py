"""Remove credentials in URLs from a row before anything else reads it, so that none is stored or shown."""

from __future__ import annotations

import re

HIDDEN = "***"
"""Replaces user name and password. A URL with it is refused like one with credentials, so the merchant fixes it."""

# Between // and @. Also where a password contains a slash that should be percent-encoded: the text that then looks
# like host and port has no number as its port.
_USERINFO = re.compile(r"((?:^|:)\s*[/\\]\s*[/\\])(?:[^/\\?#]*|(?!\[)[^/\\?#:@]*:(?!\d*[/\\?#])[^@]*)@")
_WORD = re.compile(r"\S+")


def without_credentials(values: dict[str, str], image: str | None) -> dict[str, str]:
    """Return a row without credentials: of the ``image`` column's URL, and of URLs anywhere in other text."""
    if "@" not in "".join(values.values()):
        return values  # nearly all rows
    return {name: _cleaned(text, whole=name == image) if "@" in text else text for name, text in values.items()}


def _cleaned(text: str, *, whole: bool) -> str:
    return _hidden(text) if whole else _WORD.sub(lambda word: _hidden(word[0]), text)


def _hidden(url: str) -> str:
    # Nothing is searched after the last @, so every search succeeds and ends there.
    head, at, rest = url.rpartition("@")
    return _USERINFO.sub(rf"\1{HIDDEN}@", head + at) + rest
