"""Sum up the rule reports of a run: for each preset, which rules all files keep, which some break, and why.

    atelier run samples/photos --style great-wave --preset shopify --preset google … --out OUT
    python -m tests.bench.rule_reports OUT

It prints the Markdown table of ``docs/presets.md``. The sizes and formats of one preset are taken together.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from producer.output.names import RULES_CSV

PASSED, FAILED = "true", "false"


@dataclass
class Tally:
    """How files keep one rule: how many pass, break it, or neither; and what was found where it is broken, by sku."""

    outcomes: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)

    def add(self, row: Mapping[str, str]) -> None:
        """Count one line of rules.csv."""
        self.outcomes[row["passed"]] += 1
        if row["passed"] == FAILED:
            self.broken[row["sku"]] = row["found"]

    @property
    def other(self) -> int:
        """Files where the rule cannot be measured, or is advice that is not followed."""
        return self.outcomes.total() - self.outcomes[PASSED] - self.outcomes[FAILED]

    @property
    def reasons(self) -> str:
        """Name what was found in each file that breaks the rule, once if it is the same everywhere."""
        found = set(self.broken.values())
        if len(found) == 1 and len(self.broken) > 1:
            return found.pop()
        return ", ".join(f"{sku} {value}" for sku, value in sorted(self.broken.items()))


def tallies(rows: Iterable[Mapping[str, str]]) -> dict[str, dict[str, Tally]]:
    """Count lines of rules.csv by preset and rule."""
    counted: defaultdict[str, defaultdict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for row in rows:
        preset = row["preset"].partition(".")[0]
        counted[preset][row["rule"]].add(row)
    return {preset: dict(rules) for preset, rules in counted.items()}


def table(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| preset | files | kept by all | broken by some | not measured, or advice not followed |"
    yield "|---|--:|---|---|---|"
    for preset, rules in sorted(tallies(rows).items()):
        files = rules["colour"].outcomes.total()
        kept = ", ".join(rule for rule, tally in sorted(rules.items()) if not tally.broken and not tally.other)
        broken = "; ".join(
            f"{rule}: {tally.outcomes[FAILED]} ({tally.reasons})"
            for rule, tally in sorted(rules.items())
            if tally.broken
        )
        other = ", ".join(f"{rule}: {tally.other}" for rule, tally in sorted(rules.items()) if tally.other)
        yield f"| `{preset}` | {files} | {kept} | {broken} | {other} |"


def main() -> None:
    """Print the table of a run's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder that atelier run or atelier download wrote")
    with (parser.parse_args().out / RULES_CSV).open(encoding="utf-8", newline="") as file:
        for line in table(csv.DictReader(file)):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
