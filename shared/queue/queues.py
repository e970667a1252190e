"""The queues of styling work, the first to be served first. Training has a queue and workers of its own."""

from __future__ import annotations

from enum import StrEnum


class QueueName(StrEnum):
    """How urgent a batch is."""

    PREVIEW = "preview"
    """A few images that somebody waits for: ahead of all other work."""
    BULK = "bulk"
    """What merchants submit."""
    NIGHTLY = "nightly"
    """What nights plan: behind all other work, with a share of the slots kept for it."""
