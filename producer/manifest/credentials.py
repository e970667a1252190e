"""Credentials in URLs: taken out of a row before anything else is done with it, so that none is stored or told."""

from __future__ import annotations

import re

HIDDEN = "***"
"""Stands for user name and password. A URL with it is refused as one with those, so that its merchant mends it."""

# Between // and @. Also where a password holds a slash that should have been percent-encoded: what then looks like
# host and port has no number for a port.
_USERINFO = re.compile(r"((?:^|:)\s*[/\\]\s*[/\\])(?:[^/\\?#]*|(?!\[)[^/\\?#:@]*:(?!\d*[/\\?#])[^@]*)@")
_WORD = re.compile(r"\S+")


def without_credentials(values: dict[str, str], image: str | None) -> dict[str, str]:
    """Return a row without user names and passwords of URLs: of the ``image`` column's, and of any in other text."""
    if "@" not in "".join(values.values()):
        return values  # as nearly all
    return {name: _cleaned(text, whole=name == image) if "@" in text else text for name, text in values.items()}


def _cleaned(text: str, *, whole: bool) -> str:
    return _hidden(text) if whole else _WORD.sub(lambda word: _hidden(word[0]), text)


def _hidden(url: str) -> str:
    # Nothing is looked for behind the last @, so that every search finds one and ends there.
    head, at, rest = url.rpartition("@")
    return _USERINFO.sub(rf"\1{HIDDEN}@", head + at) + rest
