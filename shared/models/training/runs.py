"""Training runs, one row each. A run goes through the states of ``RunState``.

A run that trains more than vectors has a candidate from ``comparing`` on, and no longer fails: without a verdict it
finishes with a code and a message that say why.

Postgres is the truth and the message a nudge, as with chunks: see ``shared.models.training.leases``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared.errors import Conflict, NotFound, UsageError
from shared.merchants.merchants import require_kept
from shared.models.training.photos import LEAST_PHOTOS, count_photos
from shared.models.training.pictures import StyleWithPictures, styles_with_pictures
from shared.models.training.requests import Depth, RunRequest, Trigger
from shared.models.versions import champion


class RunState(StrEnum):
    """How far a training run is."""

    QUEUED = "queued"
    """It waits for a trainer."""
    COLLECTING = "collecting"
    """A trainer collects its photos and pictures."""
    TRAINING = "training"
    """A trainer works on it, or it waits for its next slice."""
    COMPARING = "comparing"
    """Its candidate is measured beside the champion."""
    FINISHED = "finished"
    """What it has learnt is there."""
    FAILED = "failed"
    """Nothing came of it; a code and a message say why."""
    CANCELLED = "cancelled"
    """Somebody cancelled it."""


OVER = frozenset({RunState.FINISHED, RunState.FAILED, RunState.CANCELLED})


@dataclass(frozen=True)
class Saved:
    """Saved state of a run in the object store."""

    key: str
    sha256: str
    step: int


@dataclass(frozen=True)
class TrainingRun:
    """Training run as stored. ``lease`` identifies the claim of the trainer that has it."""

    id: UUID
    merchant_id: int | None
    trigger: Trigger
    reason: str
    who: str
    state: RunState
    depth: Depth
    style_ids: tuple[int, ...]
    styles: tuple[str, ...]
    start_id: int
    start_trunk_sha256: str
    config: dict[str, Any]
    data_sha256: str | None
    population: dict[str, Any] | None
    step: int
    steps: int
    curve: tuple[dict[str, float], ...]
    saved: tuple[Saved, ...]
    candidate_id: int | None
    rule: str
    canary_share: float | None
    verdict_id: int | None
    lease: int
    code: str | None
    message: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Row[Any]) -> TrainingRun:
        """Build from a row of ``COLUMNS``."""
        lists = {name: tuple(getattr(row, name)) for name in ("style_ids", "styles", "curve")}
        kinds = {"state": RunState(row.state), "trigger": Trigger(row.trigger), "depth": Depth(row.depth)}
        return cls(**row._asdict() | lists | kinds | {"saved": tuple(Saved(**state) for state in row.saved)})

    @property
    def lease_key(self) -> tuple[UUID, int]:
        """Identify this claim of the run."""
        return self.id, self.lease

    @property
    def over(self) -> bool:
        """Return whether the run is finished, failed or cancelled."""
        return self.state in OVER

    def as_json(self) -> dict[str, object]:
        """Return the run as plain data for programs."""
        left_out = ("style_ids", "saved", "lease", "start_id", "config", "population")
        return {name: value for name, value in asdict(self).items() if name not in left_out}


COLUMNS = """r.id, r.merchant_id, r.trigger, r.reason, r.who, r.state, r.depth, r.style_ids,
    ARRAY(SELECT s.name FROM unnest(r.style_ids) WITH ORDINALITY one (id, place) JOIN styles s ON s.id = one.id
          ORDER BY place) AS styles,
    r.start_id, (SELECT trunk_sha256 FROM model_versions v WHERE v.id = r.start_id) AS start_trunk_sha256,
    r.config, r.data_sha256, r.population, r.step, r.steps, r.curve, r.saved, r.candidate_id, r.rule,
    r.canary_share, r.verdict_id, r.lease, r.code, r.message, r.created_at, r.started_at, r.finished_at"""


def queue_run(connection: Connection, request: RunRequest) -> UUID:
    """Queue a run from the champion; return its id.

    Raises UsageError if a style is unknown or its pictures are not stored, or if there are too few photos.
    """
    styles = _styles_of(connection, request)
    if request.merchant is None:
        photos = count_photos(connection, LEAST_PHOTOS)
        if photos < LEAST_PHOTOS:
            raise UsageError(
                f"{photos} photos of merchants who consent to training are available; at least {LEAST_PHOTOS} are "
                "needed: with `atelier merchants consent M yes` a merchant consents to training on catalogue images "
                "that were styled before",
                code="too_few_photos",
            )
    else:
        require_kept(connection, request.merchant)
    run = _insert(connection, request, [style.id for style in styles])
    if run is None:
        raise Conflict("there is already a run for this slot or idempotency key", code="already_queued")
    return run


def queue_once(connection: Connection, request: RunRequest) -> tuple[TrainingRun, bool]:
    """Queue a run unless its idempotency key has one, even from a moment ago. Returns the run and whether it is new.

    Raises the errors of ``queue_run`` and ``named_run``.
    """
    known = named_run(connection, request)
    try:
        return (known, False) if known else (get_run(connection, queue_run(connection, request)), True)
    except Conflict:
        if known := named_run(connection, request):  # another transaction inserted it a moment ago
            return known, False
        raise


def named_run(connection: Connection, request: RunRequest) -> TrainingRun | None:
    """Return the run with a request's idempotency key, or None.

    Raises Conflict if that run was a different request. Runs of earlier releases cannot be compared.
    """
    row = connection.execute(
        text("SELECT id, asked_sha256 FROM training_runs WHERE idempotency_key = :key"),
        {"key": request.idempotency_key},
    ).first()
    if row is None:
        return None
    if row.asked_sha256 not in (None, request.asked_sha256):
        raise Conflict(
            f"training run {row.id} has this idempotency key and was another request: use a new key",
            code="idempotency_key_reused",
        )
    return get_run(connection, row.id)


def refuse_run(connection: Connection, request: RunRequest, error: UsageError) -> None:
    """Record a run that could not be queued when its time came, so that nobody waits for it in vain."""
    run = _insert(connection, request, [])
    connection.execute(
        text("""
        UPDATE training_runs SET state = 'failed', code = :code, message = :message, finished_at = clock_timestamp()
        WHERE id = :id
        """),
        {"id": run, "code": error.code, "message": str(error)},
    )


def _styles_of(connection: Connection, request: RunRequest) -> list[StyleWithPictures]:
    """Return the styles to train, each with pictures. Without names: all public styles of the champion."""
    known = styles_with_pictures(connection, request.merchant, champion(connection).trunk_sha256)
    names = request.wanted.styles or tuple(name for name, style in known.items() if style.has_row)
    if missing := [name for name in names if name not in known]:
        raise UsageError(
            f"unknown style {missing[0]!r}; choose one of {', '.join(known) or 'none'}", code="unknown_style"
        )
    if lacking := [name for name in names if not known[name].pictures]:
        raise UsageError(
            f"the pictures of {', '.join(lacking)} are not stored: give a folder with them (NAME.jpg, or NAME/ with "
            "several) once, by `atelier retrain --pictures DIR`, or choose other styles",
            code="no_pictures",
        )
    return [known[name] for name in names]


def _insert(connection: Connection, request: RunRequest, style_ids: list[int]) -> UUID | None:
    wanted = request.wanted
    row = connection.execute(
        text("""
        INSERT INTO training_runs (merchant_id, trigger, reason, who, schedule_id, slot, depth, style_ids, start_id,
                                   config, steps, rule, canary_share, idempotency_key, asked_sha256)
        VALUES (:merchant, :trigger, :reason, :who, :schedule, :slot, :depth, :styles, :start, CAST(:config AS jsonb),
                :steps, :rule, :canary, :key, :asked)
        ON CONFLICT DO NOTHING RETURNING id
        """),
        {
            "merchant": request.merchant,
            "trigger": request.trigger,
            "reason": request.reason,
            "who": request.who,
            "schedule": request.schedule,
            "slot": request.slot,
            "depth": wanted.depth,
            "styles": style_ids,
            "start": champion(connection).id,
            "config": json.dumps({"photos": wanted.photos, "overrides": dict(wanted.overrides)}),
            "steps": wanted.steps,
            "rule": wanted.rule,
            "canary": wanted.canary or None,
            "key": request.idempotency_key,
            "asked": request.asked_sha256,
        },
    )
    return row.scalar_one_or_none()


def get_run(connection: Connection, run_id: UUID) -> TrainingRun:
    """Return a run. Raises NotFound."""
    row = connection.execute(text(f"SELECT {COLUMNS} FROM training_runs r WHERE r.id = :id"), {"id": run_id}).first()
    if row is None:
        raise NotFound(f"no training run {run_id}: `atelier runs list` lists them")
    return TrainingRun.from_row(row)


def is_over(connection: Connection, run_id: UUID) -> bool:
    """Return whether a run has ended or been erased."""
    active = text("SELECT EXISTS (SELECT FROM training_runs WHERE id = :id AND finished_at IS NULL)")
    return not connection.execute(active, {"id": run_id}).scalar_one()


def find_run(connection: Connection, beginning: str) -> TrainingRun:
    """Return the run whose id begins with ``beginning``. Raises NotFound, or UsageError where several do."""
    rows = connection.execute(
        text(f"SELECT {COLUMNS} FROM training_runs r WHERE starts_with(CAST(r.id AS text), :beginning) LIMIT 2"),
        {"beginning": beginning.lower()},
    ).all()
    if not rows or not beginning:
        raise NotFound(f"no training run {beginning!r}: `atelier runs list` lists them")
    if len(rows) > 1:
        raise UsageError(f"several training runs begin with {beginning!r}: give more of the id")
    return TrainingRun.from_row(rows[0])


def list_runs(connection: Connection, limit: int, before: UUID | None = None) -> list[TrainingRun]:
    """Return runs, newest first, optionally those older than ``before``. Ids grow with time."""
    rows = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM training_runs r WHERE CAST(:before AS uuid) IS NULL OR r.id < :before
        ORDER BY r.id DESC LIMIT :limit
        """),
        {"limit": limit, "before": before},
    )
    return [TrainingRun.from_row(row) for row in rows]


def reference_population(connection: Connection) -> dict[str, Any] | None:
    """Return the distribution of figures of the photos that the champion learnt from.

    For a champion trained elsewhere: the distribution first recorded here for it. None before any was.
    """
    row = connection.execute(
        text("""
        SELECT r.population FROM training_runs r CROSS JOIN (SELECT * FROM model_versions WHERE state = 'champion') c
        WHERE r.population IS NOT NULL AND r.merchant_id IS NULL AND (r.candidate_id = c.id OR r.start_id = c.id)
        ORDER BY coalesce(r.candidate_id = c.id, false) DESC, r.id LIMIT 1
        """)
    )
    return row.scalar_one_or_none()


def cancel_run(connection: Connection, run_id: UUID, message: str) -> None:
    """Cancel a run. Its trainer notices at the next step. Raises Conflict if the run is over."""
    updated = connection.execute(
        text("""
        UPDATE training_runs SET state = 'cancelled', message = :message, lease_expires_at = NULL,
            finished_at = clock_timestamp()
        WHERE id = :id AND finished_at IS NULL
        """),
        {"id": run_id, "message": message},
    )
    if not updated.rowcount:
        raise Conflict(f"training run {run_id} is over: there is nothing to cancel")
