"""Presets: the formats that renditions are written in."""

from __future__ import annotations

from collections.abc import Collection

from shared.errors import UsageError
from shared.suggestions import did_you_mean

EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
"""File extension of a rendition, by preset."""

DEFAULT_PRESETS = ("jpeg",)


def require_presets(presets: Collection[str]) -> None:
    """Raise UsageError if there are no presets, or an unknown or repeated one."""
    known = ", ".join(EXTENSIONS)
    if not presets:
        raise UsageError(f"no format is given: choose {known}")
    for preset in presets:
        if preset not in EXTENSIONS:
            raise UsageError(f"format {preset!r} is unknown{did_you_mean(preset, EXTENSIONS)}: choose {known}")
    if len(set(presets)) != len(presets):
        raise UsageError(f"a format is given twice: name each of {known} once")
