"""Trainer context: everything that a trainer process needs, built once and passed down."""

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
"""Leases without progress before the process ends, since features of 550 MB may have to be fetched."""


class SliceOver(Exception):
    """The time of a slice is over, or the process stops: a trainer continues the run later."""


@dataclass
class TrainerContext:
    """Services and state of the retraining procedure.

    ``vgg`` and ``data`` (of the run ``data_of``) are kept from slice to slice, in memory only, so that no merchant's
    photo is left on a disk.
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

    def keep_data(self, run: UUID, data: TrainingData) -> TrainingData:
        """Keep the data of the current run, and of no other."""
        self.data, self.data_of = data, run
        return data

    def drop_data(self) -> None:
        """Drop the data of the current run."""
        self.data = self.data_of = None


@contextmanager
def open_trainer_context(
    settings: Settings, engine: Engine, store: ObjectStore, broker: Broker
) -> Iterator[TrainerContext]:
    """Build a trainer context. Raises UsageError if the configured device is missing."""
    device = choose_device(settings.device)
    torch.set_num_threads(settings.train_threads)
    limits = Limits(settings.max_image_mib * 2**20, round(settings.max_megapixels * 1e6))
    watchdog = Watchdog(PATIENCE * settings.lease_seconds)
    watchdog.start()
    try:
        yield TrainerContext(settings, engine, store, broker, device, limits, watchdog)
    finally:
        watchdog.stop()
