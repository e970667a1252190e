"""Presets: the formats that renditions are written in."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from shared.errors import UsageError

EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
"""File extension of a rendition, by preset."""

WITHOUT_ALPHA = ("jpeg",)
"""Formats that have no transparency."""

DEFAULT_PRESETS = ("jpeg",)


def require_presets(presets: Collection[str]) -> None:
    """Raise UsageError if there are no presets, or an unknown or repeated one."""
    known = ", ".join(EXTENSIONS)
    if not presets:
        raise UsageError(f"no format is given: choose {known}")
    for preset in presets:
        if preset not in EXTENSIONS:
            raise UsageError(f"format {preset!r} is unknown: choose {known}")
    if len(set(presets)) != len(presets):
        raise UsageError(f"a format is given twice: name each of {known} once")


def require_alpha(backgrounds: Iterable[str], presets: Collection[str]) -> None:
    """Raise UsageError if a product is to be cut out for a format without transparency."""
    opaque = [preset for preset in presets if preset in WITHOUT_ALPHA]
    if opaque and "transparent" in backgrounds:
        raise UsageError(
            f"format {opaque[0]} has no transparency: choose --format png or webp, or --background white",
            code="needs_transparency",
        )
