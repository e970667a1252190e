"""What a verdict says beside the change over all styles, as lines for an admin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS = {"live": "catalogue images of now", "rejected": "photos whose renditions were rejected"}
"""By name in a verdict: photos that are measured in the looks they have. The verdict is on the panel alone."""


def notes(figures: Mapping[str, Any]) -> list[str]:
    """Return what the candidate lacks, what was not measured, and how both did on photos in their looks.

    ``figures`` are those of a stored verdict; one of an earlier release has no parts.
    """
    lines = []
    public = [name for name in figures["missing"] if "/" not in name]
    for what, names in (("the candidate has no row of", public), ("not measured", figures["unmeasured"])):
        if names:
            lines.append(f"{what}: {', '.join(names)}")
    own = figures.get("own_styles", {})
    if own:
        lost = ", ".join(f"{one['lost']} of {sum(one.values())} of {name}" for name, one in own.items() if one["lost"])
        lines.append(f"merchants' own styles, not measured: {f'lost are {lost}' if lost else 'none is lost'}")
    for part, found in figures.get("parts", {}).items():
        if found["photos"] or found["unmeasured"]:
            lines.append(_part(part, found))
    return lines


def _part(part: str, found: Mapping[str, Any]) -> str:
    parts = [f"{part}, {found['photos']} {PARTS.get(part, 'photos')}"]
    parts += [f"{name} {one['candidate']:.3f}, {_change(one)}" for name, one in sorted(found["figures"].items())]
    if found["unmeasured"]:
        parts.append(f"{found['unmeasured']} not measured, for a style of their looks")
    return "; ".join(parts)


def _change(one: Mapping[str, Any]) -> str:
    error = "" if one["error"] is None else f" ± {one['error']:.3f}"
    return f"{one['change']:+.3f}{error} on the champion's"
