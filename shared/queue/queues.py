"""Queues of styling work, in order of priority. Training has a queue and workers of its own."""

from __future__ import annotations

from enum import StrEnum


class QueueName(StrEnum):
    """Urgency of a batch."""

    PREVIEW = "preview"
    """A few images that somebody waits for; ahead of all other work."""
    BULK = "bulk"
    """Merchants' submissions."""
    NIGHTLY = "nightly"
    """Nights; behind all other work, with a share of the slots kept for them."""
