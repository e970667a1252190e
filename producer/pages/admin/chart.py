"""A training run's curves, as small charts of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

TERMS = ("validation", "style", "content")

Point = tuple[float, float]
"""A step and what was measured then; or, drawn, pixels across and down."""


@dataclass(frozen=True)
class Chart:
    """What one term was over all the steps there are to be: what is blank is to come."""

    WIDTH: ClassVar = 320
    HEIGHT: ClassVar = 96
    MARGIN: ClassVar = 6

    term: str
    points: Sequence[Point]
    steps: int

    @property
    def first(self) -> float:
        """What was measured first."""
        return self.points[0][1]

    @property
    def last(self) -> float:
        """What was measured last."""
        return self.points[-1][1]

    @property
    def step(self) -> float:
        """When that was."""
        return self.points[-1][0]

    @property
    def places(self) -> list[Point]:
        """The points as drawn, the largest value at the top."""
        values = [value for _, value in self.points]
        least, most = min(values), max(values)
        across = (self.WIDTH - 2 * self.MARGIN) / max(self.steps, 1)
        down = (self.HEIGHT - 2 * self.MARGIN) / ((most - least) or 1.0)
        return [(self.MARGIN + step * across, self.MARGIN + (most - value) * down) for step, value in self.points]

    @property
    def line(self) -> str:
        """The places, as an SVG polyline takes them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.places)

    @property
    def end(self) -> Point:
        """The place of the last."""
        return self.places[-1]


def charts(curve: Sequence[Mapping[str, float | None]], steps: int) -> list[Chart]:
    """Return a chart of each term that was measured."""
    drawn = []
    for term in TERMS:
        points = [(step, value) for one in curve if (step := one.get("step")) is not None
                  and (value := one.get(term)) is not None]  # fmt: skip
        if points:
            drawn.append(Chart(term, points, steps))
    return drawn
