"""What is asked of a training run: what it trains, why, and who asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from shared.errors import UsageError
from shared.models.promotion.rules import NEVER, Rule


class Depth(StrEnum):
    """What of a generator is trained."""

    STYLE = "style"
    """Style vectors only."""
    DECODER = "decoder"
    """The layers after the residual blocks, too."""
    ALL = "all"
    """Everything."""


class Trigger(StrEnum):
    """What queues a run."""

    SCHEDULE = "schedule"
    """A slot of the training schedule has come."""
    DRIFT = "drift"
    """A slot of the schedule for drift has come: the run goes on only if the photos differ from before."""
    ADMIN = "admin"
    """Somebody asked for it."""
    NEW_STYLE = "new_style"
    """A style has pictures, but no vector for the champion."""


MOST_STEPS = 1_000_000
MOST_PHOTOS = 2000
"""Photos are held in memory, scaled down, about 0.4 MB each."""


@dataclass(frozen=True)
class RunSpec:
    """What a run trains, and what becomes of its candidate.

    ``depth``      what is trained: see ``Depth``.
    ``styles``     names; none means all public styles that the champion knows.
    ``steps``      optimiser steps.
    ``photos``     largest number of photos collected.
    ``overrides``  fields of TrainConfig that differ from the defaults.
    ``rule``       rule that promotes the candidate: see ``shared.models.promotion.rules``.
    ``canary``     share of the new batches that the candidate gets first; 0 makes it the champion at once.
    """

    depth: str = Depth.DECODER
    styles: tuple[str, ...] = ()
    steps: int = 2000
    photos: int = 400
    overrides: Mapping[str, Any] = field(default_factory=dict)
    rule: str = NEVER
    canary: float = 0.0

    def __post_init__(self) -> None:
        if self.depth not in list(Depth):
            raise UsageError(f"--train {self.depth!r} is unknown; choose one of {', '.join(Depth)}")
        if self.depth == Depth.STYLE and not self.styles:
            raise UsageError("name the styles to train with --styles")
        for name, most in (("steps", MOST_STEPS), ("photos", MOST_PHOTOS)):
            if not 1 <= getattr(self, name) <= most:
                raise UsageError(f"{name} of a run must be from 1 to {most}, not {getattr(self, name)}")
        promotes = Rule.parse(self.rule).kind != NEVER
        if promotes and self.depth == Depth.STYLE:
            raise UsageError("training of style vectors makes no candidate to promote: leave --rule out")
        if self.canary and not promotes:
            raise UsageError(
                "a canary share is for a candidate that a rule promotes: add --rule, for example if-better"
            )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunSpec:
        """Build from what ``json`` returned, possibly in another release."""
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        return cls(**known | {"styles": tuple(known.get("styles", cls.styles))})

    @property
    def json(self) -> str:
        """Return the specification as JSON text."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class RunRequest:
    """Request for a run. ``merchant`` owns the styles; None means the public ones.

    ``schedule`` and ``slot`` are those of a scheduled run; there is one run per slot.
    ``idempotency_key`` is chosen by the client; there is one run per key.
    """

    wanted: RunSpec
    trigger: str
    reason: str
    who: str
    merchant: int | None = None
    schedule: int | None = None
    slot: datetime | None = None
    idempotency_key: str | None = None

    @property
    def asked_sha256(self) -> str:
        """Hash of the request. Default values are left out, since a later release has more of them."""
        defaults = asdict(RunSpec())
        wanted = {name: value for name, value in asdict(self.wanted).items() if value != defaults[name]}
        asked = json.dumps([self.reason, self.merchant, wanted], sort_keys=True)
        return sha256(asked.encode()).hexdigest()
