"""Apply the rules of promotion: whether a verdict is enough to promote a candidate, or an admin must decide."""

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
"""Actor of promotions, and of returned canaries, that a rule decides."""

SURE = 1.645
"""Smallest improvement, in standard errors, that counts: chance alone reaches it once in twenty verdicts."""

LEAST_PHOTOS = 8
"""Smallest number of photos on which a rule decides."""

WRITTEN = re.compile(r"never|if-better|if-no-style-regresses-by (?P<most>\d+(?:\.\d+)?)(?P<percent>%?)")


@dataclass(frozen=True)
class Rule:
    """``never``, ``if-better`` (significantly, over all), or ``if-no-style-regresses-by X``, where X is ``most``."""

    kind: RuleKind
    most: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Rule:
        """Parse a rule. Raises UsageError."""
        match = WRITTEN.fullmatch(" ".join(text.split()))
        most = float(match["most"]) / (100 if match["percent"] else 1) if match and match["most"] else 0.0
        if not match or most >= 1:
            raise UsageError(
                f"promotion rule {text!r}: choose never, if-better, or if-no-style-regresses-by X, as in "
                "if-no-style-regresses-by 5%"
            )
        return cls(RuleKind(text.split()[0]), most)

    def __str__(self) -> str:
        return f"{self.kind} {100 * self.most:g}%" if self.kind == RuleKind.IF_NO_STYLE_REGRESSES_BY else self.kind


@dataclass(frozen=True)
class PromotionPolicy:
    """Rule of promotion, who applies it, and the share of the new batches that a candidate gets first, if any.

    ``label`` precedes the reason, for example to name the training run whose rule it is. ``guard`` is called in
    the promoting transaction, and raises LeaseLost when the policy no longer applies.
    """

    rule: Rule
    who: str = BY_RULE
    label: str = ""
    canary: float = 0.0
    guard: Callable[[Connection], object] | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why."""

    promote: bool
    reason: str


def decide(verdict: Verdict, rule: Rule) -> Decision:
    """Apply a rule. No rule promotes a candidate that lacks a style or has an unmeasured one."""
    if rule.kind == NEVER:
        return Decision(False, "its rule is never")
    for problem, names in (("lacks", verdict.missing), ("was not measured in", verdict.unmeasured)):
        if names:
            return Decision(False, f"the candidate {problem} {_named(names)}")
    if verdict.photos < LEAST_PHOTOS or not math.isfinite(verdict.error):
        return Decision(False, f"{verdict.photos} photos are too few: a rule needs at least {LEAST_PHOTOS}")
    if rule.kind == RuleKind.IF_BETTER:
        sure = verdict.change + SURE * verdict.error < 0
        return Decision(sure, f"{_change(verdict)}: {'significantly better' if sure else 'not significantly better'}")
    worst = max(verdict.styles, key=lambda style: style.regression, default=None)
    if worst is None:
        return Decision(False, "no style was measured")
    fits = worst.regression <= rule.most
    reason = f"the worst style, {worst.style}, is {100 * worst.regression:+.1f} % worse"
    return Decision(fits, f"{reason}, {'within' if fits else 'beyond'} {100 * rule.most:g} %")


def _named(styles: Sequence[str]) -> str:
    """Name public styles and count own ones, since the text outlasts the merchants."""
    public = [name for name in styles if "/" not in name]
    own = len(styles) - len(public)
    return ", ".join([*public, *([f"{own} own styles of merchants"] if own else [])])


def _change(verdict: Verdict) -> str:
    return f"the combined figure changes by {100 * verdict.change:+.1f} ± {100 * verdict.error:.1f} %"
