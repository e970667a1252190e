"""What faults cost: the rows of the table that the long forms print and record."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

RECORD = Path(__file__).with_name("results.json")
"""What `make chaos` found when it last ran as a whole: `make docs` makes a table of it."""


@dataclass(frozen=True)
class Toll:
    """What a fault cost, for the table."""

    fault: str
    times: int
    jobs: int
    lost: int
    done_twice: int
    recovery_seconds: list[float]

    def row(self) -> dict[str, str | int | float]:
        """Return the figures of the table; seconds from the fault's end to the next job that is done."""
        seconds = self.recovery_seconds or [0.0]
        return {
            "fault": self.fault,
            "times": self.times,
            "jobs": self.jobs,
            "lost": self.lost,
            "done_twice": self.done_twice,
            "median_seconds": round(statistics.median(seconds), 1),
            "longest_seconds": round(max(seconds), 1),
        }

    def __str__(self) -> str:
        row = self.row()
        return (
            f"{self.fault:<44}{self.times:>6}{self.jobs:>7}{self.lost:>7}{self.done_twice:>9}"
            f"{row['median_seconds']:>9}{row['longest_seconds']:>9}"
        )


@dataclass
class Tally:
    """How the tests of one run ended."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Why, by test."""

    def count(self, report: pytest.TestReport) -> None:
        """Take in how a test, or what was set up for it, ended."""
        name = report.nodeid.rpartition("/")[2]
        if report.failed:
            if name not in self.failed:
                self.failed.append(name)
        elif report.skipped:
            self.skipped[name] = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        elif report.when == "call":
            self.passed.append(name)


def record(path: Path, tolls: list[Toll], tally: Tally, *, machine: str, minutes: float) -> None:
    """Write a whole run down."""
    found = {"machine": machine, "minutes": round(minutes), "tolls": [toll.row() for toll in tolls]}
    path.write_text(json.dumps(found | asdict(tally), indent=1) + "\n")


TOLLS = pytest.StashKey[list[Toll]]()
TALLY = pytest.StashKey[Tally]()
STARTED = pytest.StashKey[float]()
