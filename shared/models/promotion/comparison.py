"""Decide whether a canary does worse than the champion, from one sample of figures per batch of each.

A batch is one observation, however many images it has, since they share a merchant, a look and a kind of photo.
The figures vary widely and are far from normal, so ranks are compared (Mann and Whitney 1947), with the canary's
figures shifted by the tolerated ``margin``. The samples are compared again after each batch of the canary's, and
repeated tests would find a difference by chance. So the n-th comparison uses the level α / n(n + 1); these add
up to at most α (Bonferroni; the division among the figures is the same).

Stalled batches have no figures. They are counted on both sides (Fisher's exact test) whenever the canary has one
more of them.

SciPy computes both tests. It is installed with the workers alone, which alone run the sweep that watches canaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

LEAST_BATCHES = 5
"""Smallest number of batches of each version for a comparison."""

ALPHA = 0.05
"""Probability that a canary no worse than the champion is ever returned."""


@dataclass(frozen=True)
class Watched:
    """Watched figure: whether higher is better, and how much worse a canary may be."""

    higher_is_better: bool
    margin: float


WATCHED = {
    "failed": Watched(higher_is_better=False, margin=0.01),
    "content_distance": Watched(higher_is_better=False, margin=0.02),
    "product_delta_e": Watched(higher_is_better=False, margin=0.5),
    "white_kept": Watched(higher_is_better=True, margin=0.005),
}
"""By name: ``failed``, the share of images that failed through no fault of image or source, and quality figures."""

FIGURES = len(WATCHED) + 1
"""The watched figures and the count of batches in trouble."""

Sample = Sequence[Mapping[str, float]]
"""Figures of batches, in the order in which the batches ended."""


@dataclass(frozen=True)
class Comparison:
    """Means of one figure over the batches. ``p`` is the probability of so much worse a canary by chance alone."""

    figure: str
    canary: float
    champion: float
    p: float
    allowed: float

    @property
    def worse(self) -> bool:
        """Return whether the canary is worse by more than chance explains."""
        return self.p < self.allowed

    def __str__(self) -> str:
        return f"{self.figure} is {self.canary:.4g} and the champion's {self.champion:.4g} (p = {self.p:.2g})"


def compare(canary: Sample, champion: Sample, ended: int) -> list[Comparison]:
    """Compare each watched figure that both have for enough batches; ``ended`` counts the canary's ended batches."""
    looks = max(1, ended - LEAST_BATCHES + 1)
    comparisons = []
    for name, watched in WATCHED.items():
        canary_values = [batch[name] for batch in canary if name in batch]
        champion_values = [batch[name] for batch in champion if name in batch]
        if min(len(canary_values), len(champion_values)) < LEAST_BATCHES:
            continue
        sign = -1.0 if watched.higher_is_better else 1.0
        shifted = [sign * value - watched.margin for value in canary_values]
        p = probability_of_chance(shifted, [sign * value for value in champion_values])
        allowed = _allowed(looks)
        comparisons.append(Comparison(name, fmean(canary_values), fmean(champion_values), p, allowed))
    return comparisons


@dataclass(frozen=True)
class TroubleCount:
    """Number of a version's batches, and how many of them are in trouble."""

    batches: int
    troubled: int

    @property
    def share(self) -> float:
        """Return the share of batches in trouble."""
        return self.troubled / self.batches if self.batches else 0.0


def compare_troubled(canary: TroubleCount, champion: TroubleCount) -> Comparison:
    """Compare how many batches are in trouble. Call it when the canary's number has a new maximum."""
    p = probability_of_so_many(canary, champion)
    return Comparison("troubled", canary.share, champion.share, p, _allowed(max(1, canary.troubled)))


def _allowed(looks: int) -> float:
    """Return the significance level of the n-th comparison, ``looks``."""
    return ALPHA / FIGURES / (looks * (looks + 1))


def as_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return comparisons as plain data, by figure."""
    return {comparison.figure: asdict(comparison) | {"worse": comparison.worse} for comparison in comparisons}


def probability_of_chance(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Return the probability that the first sample is this much larger if both have the same distribution.

    One-sided Mann-Whitney test by the normal approximation, with corrections for ties and continuity.
    """
    from scipy.stats import mannwhitneyu  # here, so that a worker without a canary does not load it

    if min(*larger, *smaller) == max(*larger, *smaller):
        return 1.0  # where the test's statistic is not defined
    return float(mannwhitneyu(larger, smaller, alternative="greater", method="asymptotic").pvalue)


def probability_of_so_many(canary: TroubleCount, champion: TroubleCount) -> float:
    """Return the probability that the canary has at least as many in trouble if its batches are like the champion's.

    One-sided exact test of Fisher (1935): every distribution of the trouble over the batches is equally likely.
    """
    from scipy.stats import fisher_exact

    table = [[one.troubled, one.batches - one.troubled] for one in (canary, champion)]
    return float(fisher_exact(table, alternative="greater").pvalue)
