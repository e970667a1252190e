"""A training run's curves, as small charts of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, MARGIN = 320, 96, 6
TERMS = ("validation", "style", "content")


def charts(curve: Sequence[Mapping[str, float | None]], steps: int) -> str:
    """Draw each term that was measured over all the steps there are to be: what is blank is to come."""
    drawn = []
    for term in TERMS:
        points = [(step, value) for one in curve if (step := one.get("step")) is not None
                  and (value := one.get(term)) is not None]  # fmt: skip
        if points:
            drawn.append(_chart(term, points, steps))
    return f'<div class="curves">{"".join(drawn)}</div>\n' if drawn else ""


def _chart(term: str, points: Sequence[tuple[float, float]], steps: int) -> str:
    values = [value for _, value in points]
    least, most = min(values), max(values)
    across, down = (WIDTH - 2 * MARGIN) / max(steps, 1), (HEIGHT - 2 * MARGIN) / ((most - least) or 1.0)
    places = [(MARGIN + step * across, MARGIN + (most - value) * down) for step, value in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    change = f"{values[0]:.3f} → {values[-1]:.3f}"
    told = f"{term} from {values[0]:.3f} to {values[-1]:.3f} by step {points[-1][0]:g} of {steps}"
    return (
        f"<figure><figcaption><span>{escape(term)}</span><b>{change}</b></figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(told)}">'
        f'<path class="base" d="M{MARGIN} {HEIGHT - MARGIN}H{WIDTH - MARGIN}"/>'
        f'<polyline points="{line}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/></svg></figure>'
    )
