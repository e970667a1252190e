"""What faults cost: the rows of the table that the long forms print and record."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TOLL = "toll"
"""Name of the property of a test's report that carries a row."""

WIDTHS = {"fault": 42, "times": 6, "jobs": 6, "lost": 6, "done_twice": 12, "median_seconds": 16, "longest_seconds": 17}
"""Columns of the table, and how wide each is printed."""

Row = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Toll:
    """What a fault cost, for the table."""

    fault: str
    times: int
    jobs: int
    lost: int
    done_twice: int
    recovery_seconds: list[float]

    def row(self) -> Row:
        """Return a row of the table; seconds go from the end of each fault to the next job done."""
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


@dataclass
class Ledger:
    """A pytest plugin that keeps the tolls of a run and how its tests ended; it prints them and may record them."""

    record: Path | None
    tolls: list[Row] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    collected: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is to run."""
        self.collected = self.collected or [item.name for item in session.items]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note what the processes of xdist are to run: the first one collects nothing itself."""
        self.collected = [name.rpartition("::")[2] for name in ids]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in how a test, its setup or its end went."""
        name = report.nodeid.rpartition("::")[2]
        if report.failed and name not in self.failed:
            self.failed.append(name)
        elif report.skipped:
            self.skipped.append(name)
        elif report.when == "call" and report.passed:
            self.passed.append(name)
        elif report.when == "teardown":
            self.tolls += [row for kind, row in report.user_properties if kind == TOLL and isinstance(row, Mapping)]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table; write it down, with how all tests ended, where that was asked for."""
        if self.tolls:
            terminalreporter.write_sep("-", "seconds go until the next job was done")
            terminalreporter.write_line("".join(f"{name.replace('_', ' '):<{n}}" for name, n in WIDTHS.items()))
            for row in self.tolls:
                terminalreporter.write_line("".join(f"{row[name]:<{n}}" for name, n in WIDTHS.items()))
        if self.record:
            self.record.write_text(json.dumps(self.as_json(), indent=1) + "\n")

    def as_json(self) -> dict[str, object]:
        """Return all that is known of the run, and on what machine it ran."""
        return {
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "minutes": round((time.monotonic() - self.started) / 60),
            "tolls": self.tolls,
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "not reached": sorted({*self.collected} - {*self.passed, *self.failed, *self.skipped}),
        }
