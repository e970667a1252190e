"""Count and time the work of a styling worker, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from torch import Tensor

from shared.queue.jobs import Failed, PutBack
from shared.queue.outcomes import Outcome, Succeeded
from shared.queue.reconciler import Repaired
from shared.queue.sweep import Swept
from workers.runtime.minibatch_lanes import Paint

STAGES = ("fetch", "look_up", "decode", "prepare", "wait", "paint", "compose", "measure", "encode", "put", "finish")
"""Stages of an image; ``wait`` is for a lane, ``paint`` is of a minibatch, ``look_up`` and ``finish`` are of a page."""

FINDINGS = ("same", "changed", "gone", "refused", "unanswered", "unasked")
"""Outcomes of a source check."""

SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class Metrics:
    """Metrics of one worker process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._images = Counter("atelier_images", "Images by outcome.", ("outcome", "code"), registry=self.registry)
        self._stages = Histogram(
            "atelier_stage_seconds", "Seconds in a stage.", ("stage",), buckets=SECONDS, registry=self.registry
        )
        self._minibatches = Histogram(
            "atelier_minibatch_images", "Images painted at once.", buckets=(1, 2, 4, 8, 16, 32), registry=self.registry
        )
        self._busy = Counter(
            "atelier_device_busy_seconds", "Seconds of all lanes together in the generator.", registry=self.registry
        )
        self._lanes = Gauge("atelier_lanes", "Lanes of the device.", registry=self.registry)
        self._chunks = Counter("atelier_chunks", "Chunks by how they ended here.", ("end",), registry=self.registry)
        self._failures = Counter(
            "atelier_service_failures", "Failures of a service that made the worker wait.", registry=self.registry
        )
        self._swept = Counter(
            "atelier_swept", "Problems that this worker's sweeps repaired.", ("what",), registry=self.registry
        )
        self._checks = Counter("atelier_checks", "Source checks, by outcome.", ("outcome",), registry=self.registry)
        self._check_bytes = Counter(
            "atelier_check_bytes", "Bytes that hosts sent for source checks.", registry=self.registry
        )
        for stage in STAGES:  # so that a rate is 0 and not unknown before the first event
            self._stages.labels(stage)
        for outcome in FINDINGS:
            self._checks.labels(outcome)
        for end in ("released", "lease_lost", "given_back"):
            self._chunks.labels(end)
        for what in ("expired_leases", "lost_messages", *(field.name for field in fields(Repaired))):
            self._swept.labels(what)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage of an image or a page, whether it fails or not."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._stages.labels(name).observe(time.perf_counter() - began)

    def timed(self, paint: Paint, lanes: int) -> Paint:
        """Return a painter's ``paint`` that counts and times, for a number of lanes."""
        self._lanes.set(lanes)

        def painting(trunk_sha256: str, photos: Tensor, areas: Tensor, rows: Tensor) -> Tensor:
            began = time.perf_counter()
            try:
                return paint(trunk_sha256, photos, areas, rows)
            finally:
                seconds = time.perf_counter() - began
                self._busy.inc(seconds)
                self._stages.labels("paint").observe(seconds)
                self._minibatches.observe(len(photos))

        return painting

    def finished(self, outcomes: Iterable[Outcome]) -> None:
        """Count images whose outcomes are recorded."""
        for outcome in outcomes:
            match outcome:
                case Succeeded():
                    self._images.labels("made" if outcome.new else "reused", "").inc()
                case Failed():
                    self._images.labels("failed", outcome.code).inc()
                case PutBack():
                    self._images.labels("put_back", "").inc()

    def ended(self, end: str) -> None:
        """Count a chunk that ended as ``released``, ``lease_lost`` or ``given_back``."""
        self._chunks.labels(end).inc()

    def service_failed(self) -> None:
        """Count a failure of a service."""
        self._failures.inc()

    def swept(self, done: Swept) -> None:
        """Count the repairs of a sweep."""
        self._swept.labels("expired_leases").inc(done.expired)
        self._swept.labels("lost_messages").inc(done.republished)
        for what, count in asdict(done.repaired).items():
            self._swept.labels(what).inc(count)

    def checked(self, outcomes: Mapping[str, int], sent: int) -> None:
        """Count source checks by outcome, and the bytes that hosts sent for them."""
        for outcome, images in outcomes.items():
            self._checks.labels(outcome).inc(images)
        self._check_bytes.inc(sent)

    def show_breaker(self, seconds: Callable[[], float]) -> None:
        """Report how long the circuit breaker makes the worker wait; 0 while closed."""
        Gauge(
            "atelier_breaker_seconds", "Seconds the worker waits for a service.", registry=self.registry
        ).set_function(seconds)
