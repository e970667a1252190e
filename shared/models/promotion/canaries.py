"""Canaries: a candidate that a share of the new batches is pinned to, before it is promoted or returned.

Which batches those are depends on their ids alone, so every merchant has his share of them. Previews stay with the
champion: what somebody looks at is what the batch that follows will look like.
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
    """A running canary. ``seen`` of its batches were in the last comparison, whose ``figures`` are kept.

    ``troubled`` is the most of its batches that were in trouble at once.
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
    """Return the canary there is, or None."""
    row = connection.execute(
        text("""
        SELECT id, version_id, champion_id, share, seen, figures, started_at, troubled FROM canaries
        WHERE state = 'running'
        """)
    ).one_or_none()
    return None if row is None else Canary(*row)


def parse_share(wanted: str) -> float:
    """Read a share of the batches, as 10% or 0.1; 0 ends a canary. Raises UsageError."""
    try:
        share = float(wanted.removesuffix("%")) / (100 if wanted.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UsageError(f"--canary {wanted}: give a share of the new batches below all of them, as 10%, or 0% to stop")
    return share


def start_canary(
    engine: Engine,
    store: ObjectStore,
    version_id: int,
    share: float,
    change: Change,
    hold: Callable[[Connection], object] | None = None,
) -> None:
    """Pin a share of the new batches to a version from now on; one that is a canary already gets the new share.

    ``hold`` is called in the transaction that does it, and may raise.
    Raises NotFound, DamagedVersion, or Conflict: ``is_champion``, ``canary_running`` (another version).
    """
    with transaction(engine) as connection:
        version = version_of(connection, version_id)
        files = version_files(connection, version)
    check_files(store, version, files)
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        if hold:
            hold(connection)
        current, known = champion(connection), running_canary(connection)
        if current.id == version_id:
            raise Conflict(f"model version {version_id} is the champion already", code="is_champion")
        if known is not None and known.version_id != version_id:
            raise Conflict(
                f"model version {known.version_id} is a canary already: stop it first", code="canary_running"
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
    """Pin no more batches to a version; those that are go on. Raises Conflict if it is no canary."""
    with transaction(engine) as connection:
        lock(connection, Lock.INSTALL)
        canary = running_canary(connection)
        if canary is None or canary.version_id != version_id:
            raise Conflict(f"model version {version_id} is no canary", code="no_canary")
        end_canary(connection, canary, CanaryState.STOPPED)
        note_change(connection, version_id, canary.champion_id, change)
        audit.record(
            *(connection, change.who, "models promote", None),
            {"version": version_id, "canary": 0, "reason": change.reason},
        )


def end_canary(connection: Connection, canary: Canary, state: CanaryState) -> None:
    """End a canary. Hold ``Lock.INSTALL``."""
    connection.execute(
        text("UPDATE canaries SET state = :state, ended_at = clock_timestamp() WHERE id = :id"),
        {"id": canary.id, "state": state},
    )


def takes(version_id: int, share: float, batch_id: UUID) -> bool:
    """Say whether a batch is among those that a canary has: by the hash of both, evenly spread over [0, 1)."""
    found = hashlib.sha256(f"{version_id}:{batch_id}".encode()).digest()
    return int.from_bytes(found[:8], "big") < share * 2**64


@dataclass(frozen=True)
class Pin:
    """What a new batch is pinned to. ``batch_id`` is the id it must have then; None: any."""

    version: ModelVersion
    style_rows: dict[str, StyleRow]
    batch_id: UUID | None = None

    def knows(self, styles: Iterable[str]) -> bool:
        """Whether the merchant may use all these styles with it."""
        return self.style_rows.keys() >= set(styles)


def usual_pin(connection: Connection, merchant: int) -> Pin:
    """Return what a merchant's batch is pinned to where no canary takes it: the champion."""
    version = champion(connection)
    return Pin(version, style_rows(connection, merchant, version.trunk_sha256))


def canary_pin(connection: Connection, merchant: int) -> tuple[Pin, float] | None:
    """Return the canary there is, with what the merchant may use of it and its share; or None."""
    row = connection.execute(text("SELECT version_id, share FROM canaries WHERE state = 'running'")).one_or_none()
    if row is None:
        return None
    version = version_of(connection, row.version_id)
    return Pin(version, style_rows(connection, merchant, version.trunk_sha256)), row.share


def choose_pin(connection: Connection, merchant: int, styles: Iterable[str], usual: Pin) -> Pin:
    """Return what a new batch in these styles is pinned to: as usual, or the canary that takes it.

    A canary takes no batch in a style that it does not know.
    """
    found = canary_pin(connection, merchant)
    if found is None:
        return usual
    pin, share = found
    batch_id = connection.execute(text("SELECT uuidv7()")).scalar_one()
    if takes(pin.version.id, share, batch_id) and pin.knows(styles):
        return Pin(pin.version, pin.style_rows, batch_id)
    return Pin(usual.version, usual.style_rows, batch_id)
