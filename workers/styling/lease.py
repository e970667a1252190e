"""The lease of the chunk in hand: progress keeps it, silence loses it."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from shared.database import transaction
from shared.queue import chunks
from shared.queue.chunks import Claim
from workers.runtime.watchdog import Watchdog

RENEWALS = 4
"""Renewals within the length of a lease, so that a transaction is not needed for every image."""


class Lease:
    """Tells watchdog and database that a claimed chunk moves on."""

    def __init__(self, engine: Engine, watchdog: Watchdog, claim: Claim, seconds: float) -> None:
        self.claim = claim
        self.seconds = seconds
        self._engine = engine
        self._watchdog = watchdog
        self._renewed = time.monotonic()

    def progress(self) -> None:
        """Note progress, and renew the lease when part of it is over. Raises LeaseLost."""
        self._watchdog.progress(self.claim.lease_key)
        if time.monotonic() - self._renewed > self.seconds / RENEWALS:
            with transaction(self._engine) as connection:
                chunks.renew(connection, self.claim, self.seconds)
            self._renewed = time.monotonic()
