"""Report the backlog: what waits, for how long, and which workers there are. Cheap enough to ask every few seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine, text

from shared.broker import Broker
from shared.database import transaction
from shared.errors import BrokerUnavailable, DatabaseUnavailable
from shared.settings import ALIVE_SECONDS
from shared.tables import QUEUES

log = structlog.get_logger()


@dataclass(frozen=True)
class Queue:
    """Work of the running batches of one queue, in jobs.

    ``age_seconds`` is the age of the oldest chunk that is due. Paused batches do not count for it.
    """

    queue: str
    batches: int = 0
    paused: int = 0
    queued: int = 0
    succeeded: int = 0
    failed: int = 0
    age_seconds: float = 0.0


def queues(connection: Connection) -> list[Queue]:
    """Return the queues in order of priority. Takes a few index lookups for each running batch."""
    rows = connection.execute(
        text("""
        SELECT queue, count(*) AS batches, count(*) FILTER (WHERE paused) AS paused,
               sum(total - succeeded - failed - cancelled) AS queued, sum(succeeded) AS succeeded,
               sum(failed) AS failed,
               coalesce(extract(epoch FROM clock_timestamp() - min(due) FILTER (WHERE NOT paused)), 0)::float
                   AS age_seconds
        FROM batches b LEFT JOIN LATERAL (
            SELECT c.next_attempt_at AS due FROM chunks c
            WHERE c.batch_id = b.id AND c.state = 'waiting' AND c.next_attempt_at <= clock_timestamp()
            ORDER BY c.id LIMIT 1
        ) oldest ON true
        WHERE state = 'running' GROUP BY queue
        """)
    )
    by_queue = {row.queue: Queue(**row._asdict()) for row in rows}
    return [by_queue.get(queue, Queue(queue)) for queue in QUEUES]


class Backlog(Collector):
    """Export figures of Postgres and Redis to Prometheus, read at each scrape. One process, beat, needs it.

    A scrape takes a few index lookups for each running batch, whatever the number of jobs.
    """

    def __init__(self, engine: Engine, broker: Broker) -> None:
        self._engine = engine
        self._broker = broker

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Describe no metrics in advance, so that registering needs no service."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the current figures. A service that does not answer sets a figure to 0 and raises nothing."""
        up = GaugeMetricFamily("atelier_service_up", "Whether a service answers.", labels=["service"])
        try:
            with transaction(self._engine) as connection:
                families = [*_batches(connection), *_window(connection), *_fleet(connection)]
        except DatabaseUnavailable as error:
            log.warning("backlog_unknown", error=str(error))
            up.add_metric(["postgres"], 0)
        else:
            yield from families
            up.add_metric(["postgres"], 1)
        messages = GaugeMetricFamily("atelier_messages", "Messages in Redis.", labels=["route"])
        try:
            for route, waiting in self._broker.held().items():
                messages.add_metric([route], waiting)
            up.add_metric(["redis"], 1)
        except BrokerUnavailable:
            up.add_metric(["redis"], 0)
        yield messages
        yield up


def _batches(connection: Connection) -> Iterator[GaugeMetricFamily]:
    batches = GaugeMetricFamily("atelier_running_batches", "Batches that are not over.", labels=["queue", "paused"])
    jobs = GaugeMetricFamily("atelier_jobs", "Jobs of running batches by state.", labels=["queue", "state"])
    age = GaugeMetricFamily("atelier_queue_age_seconds", "Age of the oldest chunk that is due.", labels=["queue"])
    for queue in queues(connection):
        batches.add_metric([queue.queue, "no"], queue.batches - queue.paused)
        batches.add_metric([queue.queue, "yes"], queue.paused)
        for state in ("queued", "succeeded", "failed"):
            jobs.add_metric([queue.queue, state], getattr(queue, state))
        age.add_metric([queue.queue], queue.age_seconds)
    yield from (batches, jobs, age)


def _window(connection: Connection) -> Iterator[GaugeMetricFamily]:
    """Yield how many chunks are dispatched, and how long the oldest has waited for a worker."""
    rows = connection.execute(
        text("""
        SELECT queue, count(*) FILTER (WHERE lease_expires_at IS NULL) AS unclaimed,
               count(*) FILTER (WHERE lease_expires_at IS NOT NULL) AS leased,
               coalesce(extract(epoch FROM clock_timestamp() - min(dispatched_at)
                                           FILTER (WHERE lease_expires_at IS NULL)), 0) AS lag
        FROM chunks WHERE state = 'dispatched' GROUP BY queue
        """)
    ).all()
    by_queue = {row.queue: row._asdict() for row in rows}
    chunks = GaugeMetricFamily("atelier_dispatched_chunks", "Chunks in the window.", labels=["queue", "state"])
    lag = GaugeMetricFamily(
        "atelier_dispatch_lag_seconds", "Age of the oldest chunk dispatched and not claimed.", labels=["queue"]
    )
    for queue in QUEUES:
        counts = by_queue.get(queue, {})
        chunks.add_metric([queue, "unclaimed"], counts.get("unclaimed", 0))
        chunks.add_metric([queue, "leased"], counts.get("leased", 0))
        lag.add_metric([queue], float(counts.get("lag", 0)))
    yield from (chunks, lag)


def _fleet(connection: Connection) -> Iterator[GaugeMetricFamily]:
    row = connection.execute(
        text("""
        SELECT count(*) AS workers, coalesce(sum(slots), 0) AS slots FROM workers
        WHERE heartbeat_at > clock_timestamp() - make_interval(secs => :age)
        """),
        {"age": ALIVE_SECONDS},
    ).one()
    yield GaugeMetricFamily("atelier_workers", "Styling workers alive.", value=row.workers)
    yield GaugeMetricFamily("atelier_worker_slots", "Their chunk slots.", value=row.slots)
