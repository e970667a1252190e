"""Rules of promotion: whether a verdict is enough to promote a candidate, or an admin must look."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from shared.errors import UsageError
from shared.models.promotion.verdicts import Verdict


class RuleKind(StrEnum):
    """When a verdict promotes its candidate by itself."""

    NEVER = "never"
    """An admin decides."""
    IF_BETTER = "if-better"
    """When it is surely better over all styles."""
    IF_NO_STYLE_REGRESSES_BY = "if-no-style-regresses-by"
    """When its worst style is no more than a share worse."""


NEVER = RuleKind.NEVER

BY_RULE = "rule"
"""Who promotes, or returns a canary, by rule."""

SURE = 1.645
"""Standard errors that an improvement must be away from none: chance alone gets so far once in twenty verdicts."""

LEAST_PHOTOS = 8
"""Of fewer photos no rule believes anything."""

WRITTEN = re.compile(r"never|if-better|if-no-style-regresses-by (?P<most>\d+(?:\.\d+)?)(?P<percent>%?)")


@dataclass(frozen=True)
class Rule:
    """A rule of promotion; ``most`` is the share that goes with ``if-no-style-regresses-by``."""

    kind: RuleKind
    most: float = 0.0

    @classmethod
    def parse(cls, wanted: str) -> Rule:
        """Read a rule as it is written. Raises UsageError."""
        found = WRITTEN.fullmatch(" ".join(wanted.split()))
        most = float(found["most"]) / (100 if found["percent"] else 1) if found and found["most"] else 0.0
        if not found or most >= 1:
            raise UsageError(
                f"promotion rule {wanted!r}: choose never, if-better, or if-no-style-regresses-by X, as in "
                "if-no-style-regresses-by 5%"
            )
        return cls(RuleKind(wanted.split()[0]), most)

    def __str__(self) -> str:
        return f"{self.kind} {100 * self.most:g}%" if self.kind == RuleKind.IF_NO_STYLE_REGRESSES_BY else self.kind


@dataclass(frozen=True)
class Mandate:
    """A rule, in whose name it is applied, and the share of the new batches that a candidate gets first, if any.

    ``whose`` is said before the reason, as which training run it is the rule of. ``hold`` is called in the transaction
    that promotes, and raises LeaseLost where the mandate is over.
    """

    rule: Rule
    who: str = BY_RULE
    whose: str = ""
    canary: float = 0.0
    hold: Callable[[Connection], object] | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why or why not."""

    promote: bool
    reason: str


def decide(verdict: Verdict, rule: Rule) -> Decision:
    """Apply a rule. What a verdict does not know of is never promoted by rule: a style missing or unmeasured."""
    if rule.kind == NEVER:
        return Decision(False, "its rule is to promote never by itself")
    for what, names in (("has no row of", verdict.missing), ("was not measured in", verdict.unmeasured)):
        if names:
            return Decision(False, f"the candidate {what} {_named(names)}")
    if verdict.photos < LEAST_PHOTOS or not math.isfinite(verdict.error):
        return Decision(False, f"{verdict.photos} photos say too little: at least {LEAST_PHOTOS} are needed")
    if rule.kind == RuleKind.IF_BETTER:
        sure = verdict.change + SURE * verdict.error < 0
        return Decision(sure, f"{_change(verdict)}: {'surely better' if sure else 'not surely better'}")
    worst = max(verdict.styles, key=lambda style: style.regression, default=None)
    if worst is None:
        return Decision(False, "no style was measured")
    fits = worst.regression <= rule.most
    what = f"the worst style, {worst.style}, is {100 * worst.regression:+.1f} % worse"
    return Decision(fits, f"{what}, {'within' if fits else 'beyond'} {100 * rule.most:g} %")


def _named(styles: Sequence[str]) -> str:
    """Name public styles and count merchants' own: what is decided outlasts the merchants."""
    public = [name for name in styles if "/" not in name]
    own = len(styles) - len(public)
    return ", ".join([*public, *([f"{own} own styles of merchants"] if own else [])])


def _change(verdict: Verdict) -> str:
    return f"the combined figure changes by {100 * verdict.change:+.1f} ± {100 * verdict.error:.1f} %"
