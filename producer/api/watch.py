"""Watch batches for everybody who follows one: a single look at the database each second, for all of them together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from fastapi.concurrency import run_in_threadpool

from shared.context import Session
from shared.database import transaction
from shared.errors import Unavailable
from shared.queue import batches
from shared.queue.batches import Batch

POLL_SECONDS = 1.0


class BatchWatch:
    """Batches that somebody follows, in one process. It belongs to one event loop.

    ``stopping`` says whether the process is about to end, which ends all streams, too.
    """

    def __init__(self, session: Session, stopping: Callable[[], bool] = lambda: False) -> None:
        self.stopping = stopping
        self._session = session
        self._followers: Counter[UUID] = Counter()
        self._latest: dict[UUID, Batch | None] = {}  # None if it is gone
        self._looked = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def changes(self, batch: Batch) -> AsyncIterator[Batch]:
        """Yield a batch as it is, and again each time that its figures have changed, until it is over or gone."""
        with self._following(batch.id):
            seen: Batch | None = None
            latest: Batch | None = batch
            while latest is not None and not self.stopping():
                if latest != seen:
                    yield latest
                    seen = latest
                if latest.finished_at is not None:
                    return
                await self._looked.wait()
                latest = self._latest.get(batch.id, latest)  # a look that began before has not asked for it

    @contextmanager
    def _following(self, batch: UUID) -> Iterator[None]:
        self._followers[batch] += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._followers[batch] -= 1
            if not self._followers[batch]:
                del self._followers[batch]
                self._latest.pop(batch, None)

    async def _look(self) -> None:
        """Look again and again while anybody follows anything. What cannot be read now is read the next time."""
        while self._followers:
            await asyncio.sleep(POLL_SECONDS)
            with suppress(Unavailable):
                found = await run_in_threadpool(self._read, list(self._followers))
                self._latest = {id: batch for id, batch in found.items() if id in self._followers}
            looked, self._looked = self._looked, asyncio.Event()
            looked.set()

    def _read(self, ids: list[UUID]) -> dict[UUID, Batch | None]:
        with transaction(self._session.engine) as connection:
            found: dict[UUID, Batch | None] = dict.fromkeys(ids)
            return found | {batch.id: batch for batch in batches.get_batches(connection, ids)}
