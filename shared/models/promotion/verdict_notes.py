"""Format what a verdict says besides the change over all styles, as lines for an admin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS = {"live": "current catalogue images", "rejected": "photos whose renditions were rejected"}
"""Parts of a verdict, by name, that measure photos in their own looks. The verdict itself is on the panel alone."""


def notes(figures: Mapping[str, Any]) -> list[str]:
    """Return what the candidate lacks, what was not measured, and how both versions did on photos in their looks.

    ``figures`` are those of a stored verdict; one of an earlier release has no parts.
    """
    lines = []
    public = [name for name in figures["missing"] if "/" not in name]
    for what, names in (("the candidate lacks", public), ("not measured", figures["unmeasured"])):
        if names:
            lines.append(f"{what}: {', '.join(names)}")
    own = figures.get("own_styles", {})
    if own:
        lost = ", ".join(
            f"{count['lost']} of {sum(count.values())} of {name}" for name, count in own.items() if count["lost"]
        )
        lines.append(f"merchants' own styles, not measured: {f'lost are {lost}' if lost else 'none is lost'}")
    for part, results in figures.get("parts", {}).items():
        if results["photos"] or results["unmeasured"]:
            lines.append(_part(part, results))
    return lines


def _part(part: str, results: Mapping[str, Any]) -> str:
    parts = [f"{part}, {results['photos']} {PARTS.get(part, 'photos')}"]
    parts += [
        f"{name} {figure['candidate']:.3f}, {_change(figure)}" for name, figure in sorted(results["figures"].items())
    ]
    if results["unmeasured"]:
        parts.append(f"{results['unmeasured']} not measured, for a style of their looks")
    return "; ".join(parts)


def _change(figure: Mapping[str, Any]) -> str:
    error = "" if figure["error"] is None else f" ± {figure['error']:.3f}"
    return f"{figure['change']:+.3f}{error} compared with the champion"
