"""The worker context: everything a worker process has, built once and passed down."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID, uuid4

import torch
from sqlalchemy import Engine
from torch import Tensor

from shared.broker import Broker
from shared.database import transaction
from shared.errors import DatabaseUnavailable, MissingObject, ModelUnavailable
from shared.look import Look
from shared.models.styles import StyleRow
from shared.queue import fleet
from shared.settings import Settings
from shared.store import ObjectStore
from workers.fetch.address_guard import Reach
from workers.fetch.buckets import Buckets
from workers.fetch.client import TOTAL_SECONDS, Web
from workers.fetch.sources import Sources
from workers.images.effects import Effects
from workers.images.limits import Limits
from workers.images.procedural.definition import Effect, effect_from_bytes
from workers.mask.segmenter import Segmenter
from workers.model.checkpoint import row_from_bytes
from workers.runtime.breaker import Breaker
from workers.runtime.metrics import Metrics
from workers.runtime.minibatch_lanes import Lanes
from workers.runtime.painter import Painter, choose_device
from workers.runtime.watchdog import Watchdog
from workers.styling.background_cache import BackgroundCache
from workers.styling.content_credentials import Signer, make_signer


@dataclass(frozen=True)
class WorkerContext:
    """What the styling procedure works with."""

    settings: Settings
    engine: Engine
    store: ObjectStore
    broker: Broker
    sources: Sources
    limits: Limits
    painter: Painter
    lanes: Lanes
    breaker: Breaker
    watchdog: Watchdog
    rows: RowCache
    backgrounds: BackgroundCache
    segmenter: Segmenter
    metrics: Metrics
    worker_id: UUID
    signer: Signer | None = None
    """Signs renditions, where the settings name a certificate."""

    draining: threading.Event = field(default_factory=threading.Event)
    pulse: Pulse = field(default_factory=lambda: Pulse())
    alone: threading.Lock = field(default_factory=threading.Lock)
    """Held by the one careful redo that has a job in hand."""

    device_lost: threading.Event = field(default_factory=threading.Event)
    """The process ends because of its device; its supervisor starts another."""

    @property
    def making(self) -> dict[str, object]:
        """Return the settings that decide the bytes of a rendition."""
        signed = {} if self.signer is None else {"signer": self.signer.fingerprint}
        return {**self.settings.making, **signed}

    def lose_device(self) -> None:
        """Do nothing more on the device: the process is to end, and another to go on."""
        self.device_lost.set()
        self.drain()

    def drain(self) -> None:
        """Begin nothing more: what is not begun goes back at once."""
        self.draining.set()
        self.breaker.close()
        self.lanes.stop()


class Pulse:
    """When the timer last ran: sweeping may wait for a service, but not for ever."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        """Note that the timer runs."""
        self._at = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self._at


class RowCache:
    """Style vectors and procedural definitions by their hash, fetched from the store once and verified."""

    def __init__(self, store: ObjectStore, size: int = 1024) -> None:
        self._store = store
        self._load = lru_cache(maxsize=size)(self._fetch)
        self._mixed = lru_cache(maxsize=size)(self._mix)
        self._effect = lru_cache(maxsize=size)(self._fetch_effect)

    def _fetch(self, sha256: str, object_key: str) -> Tensor:
        return row_from_bytes(verified_object(self._store, object_key, sha256))

    def _fetch_effect(self, sha256: str, object_key: str) -> Effect:
        return effect_from_bytes(verified_object(self._store, object_key, sha256))

    def mix(self, look: Look, rows: dict[str, StyleRow]) -> Tensor | None:
        """Return the vector (row_size,) of a look: the mean of its learnt styles by their weights; None without any."""
        learnt = [(weight, rows[name]) for name, weight in look.mix if not rows[name].is_procedural]
        if not learnt:
            return None
        # Where all are learnt their weights are those of the look, and sum to 1.
        total = 1.0 if len(learnt) == len(look.mix) else sum(weight for weight, _ in learnt)
        return self._mixed(tuple((weight / total, row.sha256, row.object_key) for weight, row in learnt))

    def effects(self, look: Look, rows: dict[str, StyleRow]) -> Effects:
        """Return the procedural styles of a look with their weights in its mix."""
        procedural = [(weight, rows[name]) for name, weight in look.mix if rows[name].is_procedural]
        return [(weight, self._effect(row.sha256, row.object_key)) for weight, row in procedural]

    def _mix(self, weighted: tuple[tuple[float, str, str], ...]) -> Tensor:
        return torch.stack([weight * self._load(sha256, key) for weight, sha256, key in weighted]).sum(0)


def verified_object(store: ObjectStore, key: str, sha256: str) -> bytes:
    """Return a trunk's or row's bytes. Raises ModelUnavailable where they are not there as they should be."""
    try:
        data = store.get(key)
    except MissingObject as error:
        raise ModelUnavailable(f"object {key} is gone from the store: {error}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelUnavailable(f"object {key} does not match its hash: the store is damaged or was tampered with")
    return data


def _web(settings: Settings, limits: Limits) -> Web:
    reach = Reach(settings.source_hosts, settings.source_networks)
    # A worker that is silent for its lease counts as dead, and its image as what killed it; a source may be
    # fetched twice, where our copy of it is gone.
    return Web(reach, limits.max_bytes, seconds=min(TOTAL_SECONDS, settings.lease_seconds / 3))


@contextmanager
def open_worker_context(
    settings: Settings, engine: Engine, store: ObjectStore, broker: Broker
) -> Iterator[WorkerContext]:
    """Build a worker context and announce it to the fleet; at the end, leave the fleet and stop the threads.

    Raises UsageError if the configured device is not there.
    """
    device = choose_device(settings.device)
    # One torch thread per lane: several lanes with one thread each beat one lane with many, and
    # codecs and network do not fight over the cores.
    torch.set_num_threads(1)
    painter = Painter(
        device,
        lambda sha256: verified_object(store, f"models/{sha256}.safetensors", sha256),
        minibatch=settings.minibatch,
    )
    lanes = settings.lanes or painter.lanes
    breaker, metrics = Breaker(), Metrics()
    metrics.show_breaker(lambda: breaker.seconds)
    limits = Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6))
    context = WorkerContext(
        settings=settings,
        engine=engine,
        store=store,
        broker=broker,
        sources=Sources(
            engine,
            store,
            limits.max_bytes,
            Buckets(settings.store_options, limits.max_bytes),
            _web(settings, limits),
        ),
        limits=limits,
        painter=painter,
        lanes=Lanes(metrics.timed(painter.paint, lanes), lanes=lanes, most=painter.most),
        breaker=breaker,
        watchdog=Watchdog(settings.lease_seconds),
        rows=RowCache(store),
        backgrounds=BackgroundCache(store, limits),
        segmenter=Segmenter(),
        metrics=metrics,
        worker_id=uuid4(),
        signer=make_signer(settings),
    )
    with transaction(engine) as connection:
        fleet.register(connection, context.worker_id, str(device), settings.slots)
    context.watchdog.start()
    try:
        yield context
    finally:
        context.drain()
        context.lanes.close()
        context.watchdog.stop()
        # Without a database the heartbeat just ends.
        with suppress(DatabaseUnavailable), transaction(engine) as connection:
            fleet.leave(connection, context.worker_id)
