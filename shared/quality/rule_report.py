"""Rule report: how a rendition keeps each rule of its preset. One that breaks a rule is not published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class RuleResult:
    """One rule, what it requires, and what was found.

    ``passed`` is None where the rule cannot be measured, or is only advice that is not followed: neither keeps a
    rendition back.
    """

    rule: str
    required: str
    found: str
    passed: bool | None


@dataclass(frozen=True)
class RuleReport:
    """Results of all rules of a preset, for one rendition."""

    results: tuple[RuleResult, ...]

    @property
    def passed(self) -> bool:
        """Return whether no rule is broken."""
        return not self.broken

    @property
    def broken(self) -> tuple[RuleResult, ...]:
        """Return the results of the broken rules."""
        return tuple(result for result in self.results if result.passed is False)

    @property
    def reason(self) -> str:
        """Return why the rendition is not published, in one line; empty if it may be."""
        return "; ".join(f"{result.rule}: {result.found}, required {result.required}" for result in self.broken)

    def to_json(self) -> dict[str, Any]:
        """Return the report as stored with the rendition."""
        return {"passed": self.passed, "rules": [asdict(result) for result in self.results]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Build from the plain data that ``to_json`` returned."""
        return cls(tuple(RuleResult(**result) for result in data["rules"]))
