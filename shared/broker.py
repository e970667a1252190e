"""Publish messages through a Celery app over Redis, the one place that does so, and count the waiting ones.

Celery, Kombu and Redis are imported by what uses them: most commands publish nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from shared.errors import BrokerUnavailable, UsageError

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Queue  # type: ignore[attr-defined]

STYLE_CHUNK = "style_chunk"
SWEEP = "sweep"
NIGHTLY = "nightly"
CHECK_SOURCES = "check_sources"
TRAIN_SLICE = "train_slice"
TRAIN_QUEUE = "train"
"""Queue of trainers. Trainers take nothing else, and styling workers never take from it."""

CONTROL_QUEUE = "control"

SCHEMES = ("redis", "rediss", "redis+socket")

ROUTES = {"preview": "preview", "bulk": "bulk", "nightly": "bulk"}
"""Redis queue of each class of work. Redis keeps the order that dispatch chose; only previews overtake. Nightly work
has no queue of its own: workers empty the first queue before the next, so it would starve."""

STYLING_QUEUES = tuple(dict.fromkeys(ROUTES.values()))

KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
"""Seconds, and a count: half a minute of silence ends a connection."""


def make_celery(broker_url: str) -> Celery:
    """Return the Celery app that producer and workers share; tasks are known by name.

    Messages are acknowledged early: leases in Postgres decide what is redone, so no visibility
    timeout matters. Queues are listed in order of priority, which BRPOP obeys.
    """
    from celery import Celery

    app = Celery("atelier", broker=_verifying(broker_url), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_queues=[_queue(name) for name in (CONTROL_QUEUE, *STYLING_QUEUES, TRAIN_QUEUE)],
        task_create_missing_queues=False,
        task_default_queue=CONTROL_QUEUE,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "queue_order_strategy": "priority",
            "socket_connect_timeout": 5,
            "socket_timeout": 30,
            # A waiting worker only reads, so keepalive alone tells it that the server is gone.
            "socket_keepalive": True,
            "socket_keepalive_options": KEEPALIVE,
            "health_check_interval": 10,
        },
    )
    return app


def _check_url(url: str) -> None:
    """Raise UsageError for a URL that kombu would fail on later. The message repeats no part of it."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in SCHEMES and "@" not in (parts.hostname or "")
        parts.port  # noqa: B018 - reading the port raises when it is not a number
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            "ATELIER_BROKER_URL is not valid: write redis://:password@host:6379/0, for Valkey too, and "
            "percent-encode special characters of the password"
        )


def _verifying(url: str) -> str:
    """Require a check of the server's certificate and name unless the URL says otherwise. kombu checks nothing."""
    if not url.startswith("rediss://") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def _queue(name: str) -> Queue:
    """Return a queue with an exchange of its own. A shared exchange would send each message to all its queues."""
    from kombu import Exchange, Queue  # type: ignore[attr-defined]

    return Queue(name, Exchange(name), routing_key=name)  # type: ignore[no-untyped-call]


@contextmanager
def _translated() -> Iterator[None]:
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    try:
        yield
    except (OperationalError, RedisError, OSError) as error:
        raise BrokerUnavailable(f"Redis cannot be reached: {error}") from error


class Broker:
    """Publishes ids of chunks and training runs, and counts the messages that wait in Redis.

    It connects, and loads Celery, when it is first used.
    """

    def __init__(self, url: str) -> None:
        _check_url(url)
        self._url = url

    @cached_property
    def app(self) -> Celery:
        """The Celery app, which workers run and messages are published through."""
        return make_celery(self._url)

    def publish(self, chunks: Iterable[tuple[int, str]]) -> None:
        """Send (chunk id, queue) pairs. On BrokerUnavailable some may already have been sent."""
        with _translated(), self.app.producer_pool.acquire(block=True) as producer:
            for chunk_id, queue in chunks:
                self.app.send_task(STYLE_CHUNK, args=[chunk_id], queue=ROUTES[queue], producer=producer, retry=False)

    def publish_runs(self, runs: Iterable[UUID]) -> None:
        """Notify trainers of training runs. On BrokerUnavailable some may already have been sent."""
        with _translated(), self.app.producer_pool.acquire(block=True) as producer:
            for run in runs:
                self.app.send_task(TRAIN_SLICE, args=[str(run)], queue=TRAIN_QUEUE, producer=producer, retry=False)

    @property
    def preview_queue(self) -> Queue:
        """Queue for which every worker has a slot of its own."""
        return _queue(ROUTES["preview"])

    def held(self) -> dict[str, int]:
        """Count the messages that no worker has fetched, by styling queue. Raises BrokerUnavailable."""
        return self._held(STYLING_QUEUES)

    def runs_held(self) -> int:
        """Count the messages that no trainer has fetched. Raises BrokerUnavailable."""
        return self._held((TRAIN_QUEUE,))[TRAIN_QUEUE]

    def ticks_held(self) -> int:
        """Count the ticks of beat that no worker has fetched. Raises BrokerUnavailable."""
        return self._held((CONTROL_QUEUE,))[CONTROL_QUEUE]

    def _held(self, queues: Iterable[str]) -> dict[str, int]:
        with _translated(), self.app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1)
            channel = connection.default_channel
            return {queue: int(channel.client.llen(queue)) for queue in queues}

    def waiting(self) -> int:
        """Count the messages that no worker has fetched, over all styling queues. Raises BrokerUnavailable."""
        return sum(self.held().values())

    def ping(self) -> None:
        """Raise BrokerUnavailable unless Redis answers."""
        with _translated(), self.app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1)
