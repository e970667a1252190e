"""Whether a canary does worse than the champion: a rule over two samples of figures, one of each for a batch.

A batch is one observation, however many images it has: they share a merchant, a look and a kind of photo. What
merchants send differs so much, and is so far from normal, that ranks are compared (Mann and Whitney 1947), the
canary's shifted by what does not matter (``margin``). The samples are looked at again with each batch of the
canary's, which would find something sooner or later by chance alone: the n-th look may err with α / n(n + 1), which
all together is no more than α (Bonferroni, as is the division among the figures).

Batches that get nowhere have no figures. Those are counted, of both (Fisher's exact test), whenever the canary has one
more of them.

SciPy computes both tests. It is installed with the workers alone, which alone run the sweep that watches canaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

LEAST_BATCHES = 5
"""Of each; before that nothing is said."""

ALPHA = 0.05
"""Chance that a canary no worse than the champion is ever returned."""


@dataclass(frozen=True)
class Watched:
    """A figure that is watched: which way is better, and by how much it may be worse."""

    higher_is_better: bool
    margin: float


WATCHED = {
    "failed": Watched(higher_is_better=False, margin=0.01),
    "content_distance": Watched(higher_is_better=False, margin=0.02),
    "product_delta_e": Watched(higher_is_better=False, margin=0.5),
    "white_kept": Watched(higher_is_better=True, margin=0.005),
}
"""By name: ``failed``, the share of images that failed by our own fault, and quality figures of renditions."""

FIGURES = len(WATCHED) + 1
"""With that of batches in trouble."""

Sample = Sequence[Mapping[str, float]]
"""Figures of batches, in the order in which they ended."""


@dataclass(frozen=True)
class Found:
    """A figure of both, as means over the batches; ``p``: how likely so much worse a canary is by chance alone."""

    figure: str
    canary: float
    champion: float
    p: float
    allowed: float

    @property
    def worse(self) -> bool:
        """Whether that is too unlikely to be chance."""
        return self.p < self.allowed

    def __str__(self) -> str:
        return f"{self.figure} is {self.canary:.4g} and the champion's {self.champion:.4g} (p = {self.p:.2g})"


def compare(canary: Sample, champion: Sample, ended: int) -> list[Found]:
    """Compare every watched figure that enough batches of both have; ``ended`` of the canary's there were by now."""
    looks = max(1, ended - LEAST_BATCHES + 1)
    found = []
    for name, watched in WATCHED.items():
        mine = [one[name] for one in canary if name in one]
        others = [one[name] for one in champion if name in one]
        if min(len(mine), len(others)) < LEAST_BATCHES:
            continue
        sign = -1.0 if watched.higher_is_better else 1.0
        p = probability_of_chance([sign * one - watched.margin for one in mine], [sign * one for one in others])
        allowed = _allowed(looks)
        found.append(Found(name, fmean(mine), fmean(others), p, allowed))
    return found


@dataclass(frozen=True)
class Counted:
    """Batches of a version: how many there are, and how many of them are in trouble."""

    batches: int
    troubled: int

    @property
    def share(self) -> float:
        """Those in trouble, as a share."""
        return self.troubled / self.batches if self.batches else 0.0


def compare_troubled(canary: Counted, champion: Counted) -> Found:
    """Compare how many batches are in trouble, when the canary has one more of them than ever before."""
    p = probability_of_so_many(canary, champion)
    return Found("troubled", canary.share, champion.share, p, _allowed(max(1, canary.troubled)))


def _allowed(looks: int) -> float:
    """How unlikely it must be, at a look of that number, to be no chance."""
    return ALPHA / FIGURES / (looks * (looks + 1))


def as_json(found: Sequence[Found]) -> dict[str, Any]:
    """Return it as plain data, by figure."""
    return {one.figure: asdict(one) | {"worse": one.worse} for one in found}


def probability_of_chance(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Return how likely the first sample is so much larger if both are of one distribution.

    One-sided Mann-Whitney test by the normal approximation, with corrections for ties and continuity.
    """
    from scipy.stats import mannwhitneyu  # here, so that a worker without a canary does not load it

    if min(*larger, *smaller) == max(*larger, *smaller):
        return 1.0  # where the test's statistic is not defined
    return float(mannwhitneyu(larger, smaller, alternative="greater", method="asymptotic").pvalue)


def probability_of_so_many(canary: Counted, champion: Counted) -> float:
    """Return how likely the canary has so many in trouble, or more, if its batches are as the champion's.

    One-sided exact test of Fisher (1935): all ways to deal those in trouble among the batches are equally likely.
    """
    from scipy.stats import fisher_exact

    table = [[one.troubled, one.batches - one.troubled] for one in (canary, champion)]
    return float(fisher_exact(table, alternative="greater").pvalue)
