"""Detect drift: whether current photos differ from those of training, or are painted worse.

Each photo is described by a few figures (``workers.model.measures.figures``), and so is each batch of renditions
(``quality`` beside this file). A population is the distribution of these figures. Two populations are compared
figure by figure with the population stability index over the deciles of the first, PSI = Σ (p − q) ln(p / q).
Usually an index below 0.1 counts as none and one from 0.25 on as a shift (Siddiqi 2006, "Credit Risk Scorecards").
For samples of n and m from one population it is about (1/n + 1/m) χ² with bins − 1 degrees of freedom (Yurdakul and
Naranjo 2020, "Statistical properties of the population stability index"). So small samples must exceed a higher
limit, which chance exceeds for one figure in a thousand.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

BINS = 10
SHIFTED = 0.25

# 0.999 quantile of χ² with BINS - 1 degrees of freedom.
_BY_CHANCE = 27.877

EVEN = 0.05
"""Weight of a uniform distribution mixed into each one, so that an empty bin does not make the index infinite."""

_DIGITS = 6


@dataclass(frozen=True)
class Distribution:
    """Distribution of one figure: ``shares`` of the bins between ``edges``, ascending."""

    mean: float
    deviation: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Population:
    """Distributions of the figures of a number of photos, by name."""

    count: int
    figures: Mapping[str, Distribution]

    def to_json(self) -> dict[str, Any]:
        """Return the population as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Population:
        """Build from the plain data that ``to_json`` returned."""
        figures = {
            name: Distribution(
                distribution["mean"],
                distribution["deviation"],
                tuple(distribution["edges"]),
                tuple(distribution["shares"]),
            )
            for name, distribution in data["figures"].items()
        }
        return cls(data["count"], figures)


@dataclass(frozen=True)
class Shift:
    """Change of a figure: the index, its limit, and the distance of the means in standard deviations of the first."""

    figure: str
    index: float
    limit: float
    deviations: float

    @property
    def beyond(self) -> bool:
        """Return whether the change exceeds both chance and what matters."""
        return self.index > self.limit

    def __str__(self) -> str:
        return f"{self.figure}: index {self.index:.2f} of {self.limit:.2f}, mean moved by {self.deviations:+.1f} σ"


def population(photos: Sequence[Mapping[str, float]]) -> Population:
    """Describe at least two photos by their figures, which have the same names for all."""
    figures = {}
    for name in photos[0]:
        values = [photo[name] for photo in photos]
        edges = _edges(values)
        mean, deviation = statistics.fmean(values), statistics.stdev(values)
        figures[name] = Distribution(round(mean, 6), round(deviation, 6), edges, _shares(values, edges))
    return Population(len(photos), figures)


def compare(before: Population, photos: Sequence[Mapping[str, float]]) -> list[Shift]:
    """Return how much the figures of photos differ from a population, the largest change first."""
    limit = max(SHIFTED, _BY_CHANCE * (1 / before.count + 1 / len(photos)))
    shifts = []
    for name, known in before.figures.items():
        values = [photo[name] for photo in photos if name in photo]
        if not values:  # a figure that only another release has
            continue
        shares = _shares(values, known.edges)
        index = sum((now - then) * math.log(now / then) for now, then in zip(shares, known.shares, strict=True))
        moved = (statistics.fmean(values) - known.mean) / max(known.deviation, 1e-6)
        shifts.append(Shift(name, index, limit, moved))
    return sorted(shifts, key=_distance, reverse=True)


def farthest(shifts: Sequence[Shift]) -> Shift:
    """Return the shift that is largest in relation to its limit."""
    return max(shifts, key=_distance)


def _distance(shift: Shift) -> float:
    return shift.index / shift.limit


def _edges(values: Sequence[float]) -> tuple[float, ...]:
    """Return the deciles. A value that spans several, as in many photos without any white, gets a bin of its own."""
    deciles = [round(edge, _DIGITS) for edge in statistics.quantiles(values, n=BINS, method="inclusive")]
    above = {round(edge + 10**-_DIGITS, _DIGITS) for edge, next_ in pairwise(deciles) if edge == next_}
    return tuple(sorted({*deciles, *above}))


def _shares(values: Sequence[float], edges: Sequence[float]) -> tuple[float, ...]:
    """Return the share of each bin. A value on an edge belongs to the bin above."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, round(value, _DIGITS))] += 1
    return tuple((1 - EVEN) * count / len(values) + EVEN / len(counts) for count in counts)
