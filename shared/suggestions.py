"""Suggest what somebody may have meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'udnie'?)`` with the known name that is most like another, or nothing."""
    names = {one.lower(): one for one in known}
    close = get_close_matches(name.strip().lower()[:100], names, n=1)
    return f" (did you mean {names[close[0]]!r}?)" if close else ""
