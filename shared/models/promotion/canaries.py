"""Run canaries: pin a share of the new batches to a candidate before it is promoted or returned.

A batch's id alone decides whether the canary gets it, so every merchant has the same share of such batches.
Previews stay with the champion: they show what the batch that follows will look like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from shared.database import Lock, lock, transaction
from shared.errors import Conflict, UsageError
from shared.merchants import audit
from shared.models.promotion.files import check_files, version_files
from shared.models.styles import StyleRow, style_rows
from shared.models.versions import Change, ModelVersion, champion, note_change, version_of
from shared.store import ObjectStore


class CanaryState(StrEnum):
    """What has become of a canary."""

    RUNNING = "running"
    """A share of the new batches is pinned to it."""
    PROMOTED = "promoted"
    """It is, or was, the champion."""
    RETURNED = "returned"
    """Its batches did worse than the champion's."""
    STOPPED = "stopped"
    """Somebody ended it."""


@dataclass(frozen=True)
class Canary:
    """A running canary.

    ``seen`` is the number of its ended batches at the last comparison, ``figures`` the result of that one.
    ``troubled`` is the highest number of its batches in trouble at any comparison.
    """

    id: int
    version_id: int
    champion_id: int
    share: float
    seen: int
    figures: Mapping[str, Any] | None
    started_at: datetime
    troubled: int


def running_canary(connection: Connection) -> Canary | None:
    """Return the running canary, or None."""
    row = connection.execute(
        text("""
        SELECT id, version_id, champion_id, share, seen, figures, started_at, troubled FROM canaries
        WHERE state = 'running'
        """)
    ).one_or_none()
    return None if row is None else Canary(*row)


def parse_share(text: str) -> float:
    """Parse a share of the batches, as 10% or 0.1; 0 ends a canary. Raises UsageError."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UsageError(
            f"--canary {text}: give a share of the new batches below 100%, as 10%, or 0% to stop the canary"
        )
    return share


def start_canary(
    engine: Engine,
    store: ObjectStore,
    version_id: int,
    share: float,
    change: Change,
    guard: Callable[[Connection], object] | None = None,
) -> None:
    """Pin a share of the new batches to a version from now on. A running canary gets the new share.

    ``guard`` is called in the same transaction, and may raise to prevent the change.
    Raises NotFound, DamagedVersion, or Conflict: ``is_champion``, ``canary_running`` (of another version).
    """
    with transaction(engine) as connection:
        version = version_of(connection, version_id)
        files = version_files(connection, version)
    check_files(store, version, files)
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        if guard:
            guard(connection)
        current, known = champion(connection), running_canary(connection)
        if current.id == version_id:
            raise Conflict(f"model version {version_id} is already the champion", code="is_champion")
        if known is not None and known.version_id != version_id:
            raise Conflict(
                f"model version {known.version_id} is already a canary: stop it first", code="canary_running"
            )
        if known is not None:
            end_canary(connection, known, CanaryState.STOPPED)
        connection.execute(
            text("INSERT INTO canaries (version_id, champion_id, share) VALUES (:version, :champion, :share)"),
            {"version": version_id, "champion": current.id, "share": share},
        )
        note_change(connection, version_id, current.id, change)
        audit.record(
            *(connection, change.who, "models promote", None),
            {"version": version_id, "canary": share, "reason": change.reason},
        )


def stop_canary(engine: Engine, version_id: int, change: Change) -> None:
    """Pin no more batches to a version; batches already pinned to it continue. Raises Conflict if it is no canary."""
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        canary = running_canary(connection)
        if canary is None or canary.version_id != version_id:
            raise Conflict(f"model version {version_id} is not a canary", code="no_canary")
        end_canary(connection, canary, CanaryState.STOPPED)
        note_change(connection, version_id, canary.champion_id, change)
        audit.record(
            *(connection, change.who, "models promote", None),
            {"version": version_id, "canary": 0, "reason": change.reason},
        )


def end_canary(connection: Connection, canary: Canary, state: CanaryState) -> None:
    """End a canary. The caller holds ``Lock.INSTALL``."""
    connection.execute(
        text("UPDATE canaries SET state = :state, ended_at = clock_timestamp() WHERE id = :id"),
        {"id": canary.id, "state": state},
    )


def takes_batch(version_id: int, share: float, batch_id: UUID) -> bool:
    """Return whether a canary gets a batch, by a hash of both ids that is uniform over [0, 1)."""
    digest = hashlib.sha256(f"{version_id}:{batch_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


@dataclass(frozen=True)
class Pin:
    """Model version of a new batch. ``batch_id`` is the id that the batch must get; None allows any."""

    version: ModelVersion
    style_rows: dict[str, StyleRow]
    batch_id: UUID | None = None

    def knows(self, styles: Iterable[str]) -> bool:
        """Return whether the merchant may use all these styles with this version."""
        return self.style_rows.keys() >= set(styles)


def default_pin(connection: Connection, merchant: int) -> Pin:
    """Return the pin to the champion, which applies unless a canary takes the batch."""
    version = champion(connection)
    return Pin(version, style_rows(connection, merchant, version.trunk_sha256))


def canary_pin(connection: Connection, merchant: int) -> tuple[Pin, float] | None:
    """Return the pin to the running canary and its share of batches, or None."""
    row = connection.execute(text("SELECT version_id, share FROM canaries WHERE state = 'running'")).one_or_none()
    if row is None:
        return None
    version = version_of(connection, row.version_id)
    return Pin(version, style_rows(connection, merchant, version.trunk_sha256)), row.share


def choose_pin(connection: Connection, merchant: int, styles: Iterable[str], default: Pin) -> Pin:
    """Return the pin of a new batch in these styles: ``default``, or the canary that takes the batch.

    A canary takes no batch in a style that it does not know.
    """
    canary = canary_pin(connection, merchant)
    if canary is None:
        return default
    pin, share = canary
    batch_id = connection.execute(text("SELECT uuidv7()")).scalar_one()
    if takes_batch(pin.version.id, share, batch_id) and pin.knows(styles):
        return Pin(pin.version, pin.style_rows, batch_id)
    return Pin(default.version, default.style_rows, batch_id)
