"""The trainer context: everything a trainer process has, built once and passed down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import torch
from sqlalchemy import Engine

from shared.broker import Broker
from shared.settings import Settings
from shared.store import ObjectStore
from workers.images.limits import Limits
from workers.model.learning.training import TrainingData
from workers.model.vgg import Vgg
from workers.runtime.painter import choose_device
from workers.runtime.watchdog import Watchdog

PATIENCE = 10
"""Leases that may pass without progress before the process ends: features of 550 MB may have to be fetched."""


class SliceOver(Exception):
    """The time of a slice is over, or the process is to end: somebody goes on later."""


@dataclass
class TrainerContext:
    """What the retraining procedure works with.

    ``vgg`` and ``data`` (of the run ``data_of``) stay from slice to slice, in memory only: no photo of a merchant
    is left behind on a disk.
    """

    settings: Settings
    engine: Engine
    store: ObjectStore
    broker: Broker
    device: torch.device
    limits: Limits
    watchdog: Watchdog
    draining: threading.Event = field(default_factory=threading.Event)
    device_lost: threading.Event = field(default_factory=threading.Event)
    vgg: Vgg | None = None
    data: TrainingData | None = None
    data_of: UUID | None = None

    def hold(self, run: UUID, data: TrainingData) -> TrainingData:
        """Keep the data of the run in hand, and of no other."""
        self.data, self.data_of = data, run
        return data

    def let_go(self) -> None:
        """Forget the data."""
        self.data = self.data_of = None


@contextmanager
def open_trainer_context(
    settings: Settings, engine: Engine, store: ObjectStore, broker: Broker
) -> Iterator[TrainerContext]:
    """Build a trainer context. Raises UsageError if the configured device is not there."""
    device = choose_device(settings.device)
    torch.set_num_threads(settings.train_threads)
    limits = Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6))
    watchdog = Watchdog(PATIENCE * settings.lease_seconds)
    watchdog.start()
    try:
        yield TrainerContext(settings, engine, store, broker, device, limits, watchdog)
    finally:
        watchdog.stop()
