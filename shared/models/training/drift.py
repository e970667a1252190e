"""Drift: whether the photos that come now are others than those that were learnt from, or are painted worse.

Each photo is a few figures (``workers.model.measures.figures``), and so is each batch of renditions
(``quality`` beside this file); a population is their distribution. Two populations are compared figure by figure with
the population stability index over the deciles of the first, PSI = Σ (p − q) ln(p / q). Its usual reading: below .1
nothing, from .25 on a shift (Siddiqi 2006, "Credit Risk Scorecards"). Of samples of n and m of one population it is
about (1/n + 1/m) χ² with bins − 1 degrees of freedom (Yurdakul and Naranjo 2020, "Statistical properties of the
population stability index"), so that small samples must pass more than .25: what one figure in a thousand would by
chance.
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

# The .999 quantile of χ² with BINS - 1 degrees of freedom.
_BY_CHANCE = 27.877

EVEN = 0.05
"""Share of an even distribution mixed into each, so that an empty bin is no infinite surprise."""

_DIGITS = 6


@dataclass(frozen=True)
class Distribution:
    """How one figure is distributed: ``shares`` of the bins between ``edges``, ascending."""

    mean: float
    deviation: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Population:
    """Figures of a number of photos, by name."""

    count: int
    figures: Mapping[str, Distribution]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Population:
        """Read back what ``to_json`` returned."""
        figures = {
            name: Distribution(one["mean"], one["deviation"], tuple(one["edges"]), tuple(one["shares"]))
            for name, one in data["figures"].items()
        }
        return cls(data["count"], figures)


@dataclass(frozen=True)
class Shift:
    """How far a figure has moved: the index, what it had to pass, and the means' distance in deviations of before."""

    figure: str
    index: float
    limit: float
    deviations: float

    @property
    def beyond(self) -> bool:
        """Whether that is more than chance and more than matters."""
        return self.index > self.limit

    def __str__(self) -> str:
        return f"{self.figure}: index {self.index:.2f} of {self.limit:.2f}, mean moved by {self.deviations:+.1f} σ"


def population(photos: Sequence[Mapping[str, float]]) -> Population:
    """Describe photos (at least two) by their figures, all of which have the same names."""
    figures = {}
    for name in photos[0]:
        values = [photo[name] for photo in photos]
        edges = _edges(values)
        mean, deviation = statistics.fmean(values), statistics.stdev(values)
        figures[name] = Distribution(round(mean, 6), round(deviation, 6), edges, _shares(values, edges))
    return Population(len(photos), figures)


def compare(before: Population, photos: Sequence[Mapping[str, float]]) -> list[Shift]:
    """Return how far the figures of photos have moved from a population, the farthest first."""
    limit = max(SHIFTED, _BY_CHANCE * (1 / before.count + 1 / len(photos)))
    shifts = []
    for name, known in before.figures.items():
        values = [photo[name] for photo in photos if name in photo]
        if not values:  # a figure of another release
            continue
        shares = _shares(values, known.edges)
        index = sum((now - then) * math.log(now / then) for now, then in zip(shares, known.shares, strict=True))
        moved = (statistics.fmean(values) - known.mean) / max(known.deviation, 1e-6)
        shifts.append(Shift(name, index, limit, moved))
    return sorted(shifts, key=_distance, reverse=True)


def farthest(shifts: Sequence[Shift]) -> Shift:
    """Return the shift that is the farthest, as its limit goes."""
    return max(shifts, key=_distance)


def _distance(shift: Shift) -> float:
    return shift.index / shift.limit


def _edges(values: Sequence[float]) -> tuple[float, ...]:
    """The deciles. Where several are one value, as in many photos without any white, it gets a bin of its own."""
    deciles = [round(edge, _DIGITS) for edge in statistics.quantiles(values, n=BINS, method="inclusive")]
    above = {round(edge + 10**-_DIGITS, _DIGITS) for edge, next_ in pairwise(deciles) if edge == next_}
    return tuple(sorted({*deciles, *above}))


def _shares(values: Sequence[float], edges: Sequence[float]) -> tuple[float, ...]:
    """The share of each bin; what lies on an edge is in the bin above."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, round(value, _DIGITS))] += 1
    return tuple((1 - EVEN) * count / len(values) + EVEN / len(counts) for count in counts)
