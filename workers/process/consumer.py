"""A process that takes Celery's tasks from queues, as styling workers and trainers do: threads, and no chatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.broker import Broker


@dataclass(frozen=True)
class Consumer:
    """What a process is called among its kind, the queues it takes from, and how many tasks it has in hand at once."""

    name: str
    queues: Sequence[str]
    slots: int

    def celery_worker(self, broker: Broker, log_level: str) -> Any:
        """Return Celery's worker, to be started."""
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
