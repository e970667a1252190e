"""Format what a verdict says besides the change over all styles, as lines for an admin."""

from __future__ import annotations

from shared.models.promotion.verdict_details import PairedFigure, Part
from shared.models.promotion.verdicts import VerdictFigures

PARTS = {"live": "current catalogue images", "rejected": "photos whose renditions were rejected"}
"""Parts of a verdict, by name, that measure photos in their own looks. The verdict itself is on the panel alone."""


def notes(figures: VerdictFigures) -> list[str]:
    """Return what the candidate lacks, what was not measured, and how both versions did on photos in their looks."""
    lines = []
    public = [name for name in figures.verdict.missing if "/" not in name]
    for what, names in (("the candidate lacks", public), ("not measured", figures.verdict.unmeasured)):
        if names:
            lines.append(f"{what}: {', '.join(names)}")
    own = figures.details.own_styles
    if own:
        lost = ", ".join(
            f"{count.lost} of {count.kept + count.lost} of {name}" for name, count in own.items() if count.lost
        )
        lines.append(f"merchants' own styles, not measured: {f'lost are {lost}' if lost else 'none is lost'}")
    for name, part in (figures.details.parts or {}).items():
        if part.photos or part.unmeasured:
            lines.append(_part(name, part))
    return lines


def _part(name: str, part: Part) -> str:
    phrases = [f"{name}, {part.photos} {PARTS.get(name, 'photos')}"]
    phrases += [f"{figure} {pair.candidate:.3f}, {_change(pair)}" for figure, pair in sorted(part.figures.items())]
    if part.unmeasured:
        phrases.append(f"{part.unmeasured} not measured, for a style of their looks")
    return "; ".join(phrases)


def _change(figure: PairedFigure) -> str:
    error = "" if figure.error is None else f" ± {figure.error:.3f}"
    return f"{figure.change:+.3f}{error} compared with the champion"
