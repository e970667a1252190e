"""The preview slot: a thread that takes previews as they come, so that none waits for a chunk of bulk work.

Celery's own slots may all be busy with chunks of several seconds, and as many more are already fetched for
them. A preview needs a slot that nothing else can fill; its pictures then enter the next minibatch
(``workers.lanes``).
"""

from __future__ import annotations

import threading
from typing import Any

from kombu.connection import Connection
from kombu.messaging import Consumer
from kombu.mixins import ConsumerMixin

from shared.broker import Broker
from workers.studio import Studio
from workers.stylize import stylize_chunk


class PreviewSlot(ConsumerMixin):
    """Takes the messages of the preview queue, one at a time, until it is stopped."""

    def __init__(self, broker: Broker, studio: Studio) -> None:
        self.connection: Connection = broker.app.connection_for_read()
        self._queue = broker.preview_queue
        self._studio = studio
        self._thread = threading.Thread(target=self.run, name="previews", daemon=True)

    def start(self) -> None:
        """Begin to take messages; where Redis is away, they are waited for."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more, and wait for the one in hand."""
        self.should_stop = True
        self._thread.join()
        self.connection.release()  # type: ignore[no-untyped-call]

    def get_consumers(self, new_consumer: type[Consumer], channel: Any) -> list[Consumer]:
        """Return what is consumed. Acknowledged early, as everywhere: leases decide what is redone."""
        return [new_consumer([self._queue], callbacks=[self._on_message], accept=["json"], no_ack=True)]

    def _on_message(self, body: Any, message: Any) -> None:
        (chunk_id,), _, _ = body  # Celery's message protocol, version 2: args, kwargs, embedded
        stylize_chunk(self._studio, int(chunk_id))
