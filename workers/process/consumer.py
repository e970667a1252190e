"""Configure Celery's worker for processes that take tasks from queues: threads, and little output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.broker import Broker


@dataclass(frozen=True)
class Consumer:
    """Name of a process, the queues that it takes tasks from, and how many tasks it runs at once."""

    name: str
    queues: Sequence[str]
    slots: int

    def celery_worker(self, broker: Broker, log_level: str) -> Any:
        """Return Celery's worker, not yet started."""
        return broker.app.Worker(
            pool="threads",
            concurrency=self.slots,
            queues=list(self.queues),
            hostname=f"{self.name}@%h",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            loglevel=log_level.upper(),
            quiet=True,
        )
