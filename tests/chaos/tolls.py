"""What faults cost: the rows of the table that the long forms print."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Toll:
    """What a fault cost, for the table."""

    fault: str
    times: int
    jobs: int
    lost: int
    done_twice: int
    recovery_seconds: list[float]

    def __str__(self) -> str:
        longest = max(self.recovery_seconds, default=0.0)
        middle = sorted(self.recovery_seconds)[len(self.recovery_seconds) // 2] if self.recovery_seconds else 0.0
        return (
            f"{self.fault:<34}{self.times:>6}{self.jobs:>7}{self.lost:>7}{self.done_twice:>9}"
            f"{middle:>9.1f}{longest:>9.1f}"
        )


TOLLS = pytest.StashKey[list[Toll]]()
