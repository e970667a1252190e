"""The preview slot: a thread that takes previews as they come, so that none waits for a chunk of bulk work.

Celery's own slots may all be busy with chunks of several seconds, and as many more are already fetched for
them. A preview needs a slot that nothing else can fill; its pictures then enter the next minibatch
(``workers.runtime.minibatch_lanes``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from kombu.connection import Connection
from kombu.messaging import Consumer
from kombu.mixins import ConsumerMixin

from shared.broker import Broker
from workers.styling.context import WorkerContext
from workers.styling.stylize_chunk import stylize_chunk

log = structlog.get_logger()


class PreviewSlot(ConsumerMixin):
    """Takes the messages of the preview queue, one at a time, until it is stopped."""

    def __init__(self, broker: Broker, context: WorkerContext) -> None:
        self.connection: Connection = broker.app.connection_for_read()
        self._queue = broker.preview_queue
        self._studio = context
        self._thread = threading.Thread(target=self._take, name="previews", daemon=True)

    @property
    def should_stop(self) -> bool:  # type: ignore[override]
        """Whether the worker drains: what is taken from then on would only be dropped."""
        return self._studio.draining.is_set()

    def start(self) -> None:
        """Begin to take messages; where Redis is away, they are waited for."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the one in hand, once the worker drains."""
        self._thread.join()
        self.connection.release()  # type: ignore[no-untyped-call]

    def _take(self) -> None:
        """Take messages, whatever happens: nothing else reads the preview queue of this worker."""
        while not self.should_stop:
            try:
                self.run()  # type: ignore[no-untyped-call]
            except Exception:  # whatever it was, previews must go on
                if not self.should_stop:
                    log.exception("preview_slot_crashed")
                self._studio.draining.wait(1.0)

    @contextmanager
    def establish_connection(self) -> Iterator[Connection]:
        """Connect, trying again until the worker drains."""
        with self.create_connection() as connection:  # type: ignore[no-untyped-call]
            connection.ensure_connection(self.on_connection_error, callback=self._give_up_when_draining)
            yield connection

    def _give_up_when_draining(self) -> None:
        if self.should_stop:
            raise ConnectionAbortedError("the worker drains")

    def get_consumers(self, new_consumer: type[Consumer], channel: Any) -> list[Consumer]:
        """Return what is consumed. Acknowledged early, as everywhere: leases decide what is redone."""
        return [new_consumer([self._queue], callbacks=[self._on_message], accept=["json"], no_ack=True)]

    def _on_message(self, body: Any, message: Any) -> None:
        (chunk_id,), _, _ = body  # Celery's message protocol, version 2: args, kwargs, embedded
        stylize_chunk(self._studio, int(chunk_id))
