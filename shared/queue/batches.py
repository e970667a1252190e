"""Batches: accepted submissions and their counters."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared.errors import Conflict, NotFound
from shared.look import Look
from shared.merchants import usage
from shared.merchants.presets import resolve_presets
from shared.merchants.usage import Ended
from shared.models.styles import StyleRow
from shared.preset_files import rendition_presets
from shared.presets import Preset
from shared.quality.gate import Gate
from shared.queue.queues import QueueName


class BatchState(StrEnum):
    """State of a batch."""

    RUNNING = "running"
    """It has queued jobs, or its input is still being received."""
    FINISHED = "finished"
    """All jobs are over. A retry reopens it."""
    CANCELLED = "cancelled"
    """It was cancelled; finished images are kept."""


class IntakeState(StrEnum):
    """Whether a batch's input is complete."""

    RECEIVING = "receiving"
    """The manifest is being read; chunks of the rows so far may run."""
    SEALED = "sealed"
    """All rows have been received."""


@dataclass(frozen=True)
class NewBatch:
    """Batch before its first row. ``id`` is given if the model version depends on it.

    ``preset_rules`` are those of its presets; None stands for the merchant's current ones. ``planned`` is the number
    of its images where these were counted first.
    """

    merchant_id: int
    name: str
    queue: str
    look: Look
    presets: tuple[str, ...]
    model_version_id: int
    style_rows: dict[str, StyleRow]
    fingerprint: str
    input_columns: tuple[str, ...]
    id: UUID | None = None
    idempotency_key: str | None = None
    preset_rules: Mapping[str, Preset] | None = None
    planned: int | None = None


@dataclass(frozen=True)
class Batch:
    """Batch as stored. Whoever finishes jobs updates its counters; they are never counted.

    ``age_seconds`` passed by the database's clock from its acceptance until it was read.
    """

    id: UUID
    merchant_id: int
    name: str
    queue: QueueName
    look: Look
    presets: tuple[str, ...]
    model_version_id: int
    style_rows: dict[str, StyleRow]
    intake: IntakeState
    state: BatchState
    paused: bool
    notice: str | None
    input_columns: tuple[str, ...]
    gate: Gate | None
    rows_read: int
    total: int
    succeeded: int
    failed: int
    cancelled: int
    reused: int
    created_at: datetime
    finished_at: datetime | None
    preset_rules: Mapping[str, Preset] = field(default_factory=dict)
    unpublished: int = 0
    age_seconds: float = field(default=0.0, compare=False)

    @property
    def rendition_presets(self) -> tuple[str, ...]:
        """Return what stands for each file of a job in the keys of renditions."""
        return rendition_presets(self.presets, self.preset_rules)

    @property
    def done(self) -> int:
        """Return the number of jobs in a terminal state."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def seconds(self) -> float:
        """Return the seconds from acceptance to the end or, while it runs, to when it was read."""
        return (self.finished_at - self.created_at).total_seconds() if self.finished_at else self.age_seconds

    @classmethod
    def from_row(cls, row: Row[Any]) -> Batch:
        """Build from a row of ``COLUMNS``, and possibly others."""
        values = {column.name: getattr(row, column.name) for column in fields(cls)}
        values["queue"], values["intake"] = QueueName(values["queue"]), IntakeState(values["intake"])
        values["state"] = BatchState(values["state"])
        values["look"] = Look.from_json(values["look"])
        values["presets"] = tuple(values["presets"])
        values["preset_rules"] = {name: Preset.from_json(rules) for name, rules in values["preset_rules"].items()}
        values["input_columns"] = tuple(values["input_columns"])
        values["gate"] = None if values["gate"] is None else Gate.from_json(values["gate"])
        values["style_rows"] = {name: StyleRow(**data) for name, data in values["style_rows"].items()}
        return cls(**values)


HEX = re.compile("[0-9a-fA-F]{1,32}")

COLUMNS = """id, merchant_id, name, queue, look, presets, preset_rules, model_version_id, style_rows, intake, state,
    paused, notice, input_columns, gate, rows_read, total, succeeded, failed, cancelled, reused, unpublished,
    created_at, finished_at, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age_seconds"""

UNDER_WAY = "the same batch is being submitted elsewhere: repeat the request"

# Whether a pause of nights holds the batch ``b``: it, the merchant's own and a proof each end by themselves.
NIGHT_PAUSED = """(b.queue = 'nightly' AND EXISTS (
    SELECT FROM pauses p WHERE p.merchant_id IS NULL OR p.merchant_id = b.merchant_id))"""

# Whether the counts being added make the batch's last job terminal.
COMPLETE = "intake = 'sealed' AND succeeded + failed + cancelled + :succeeded + :failed + :cancelled = total"


def create_batch(connection: Connection, new: NewBatch) -> Batch:
    """Insert a batch in state receiving.

    Raises Conflict if its idempotency key was just taken, and UsageError for an unknown preset.
    """
    rules = new.preset_rules
    if rules is None:
        rules = resolve_presets(connection, new.merchant_id, new.presets)
    row = connection.execute(
        text(f"""
        INSERT INTO batches (id, merchant_id, name, queue, look, presets, preset_rules, model_version_id, style_rows,
                             fingerprint, input_columns, idempotency_key, planned, gate)
        VALUES (coalesce(CAST(:id AS uuid), uuidv7()), :merchant_id, :name, :queue, :look, :presets, :preset_rules,
                :model_version_id, :style_rows, :fingerprint, :input_columns, :idempotency_key, :planned,
                (SELECT gate FROM merchants WHERE id = :merchant_id))
        ON CONFLICT ON CONSTRAINT uq_batches_idempotency_key DO NOTHING
        RETURNING {COLUMNS}
        """),
        {
            "id": new.id,
            "merchant_id": new.merchant_id,
            "name": new.name,
            "queue": new.queue,
            "look": json.dumps(new.look.to_json()),
            "presets": list(new.presets),
            "preset_rules": json.dumps({name: preset.to_json() for name, preset in rules.items()}),
            "model_version_id": new.model_version_id,
            "style_rows": json.dumps({name: row.pinned for name, row in new.style_rows.items()}),
            "fingerprint": new.fingerprint,
            "input_columns": list(new.input_columns),
            "idempotency_key": new.idempotency_key,
            "planned": new.planned,
        },
    ).one_or_none()
    if row is None:
        raise Conflict(UNDER_WAY, code="submission_under_way")
    return Batch.from_row(row)


def get_batch(connection: Connection, batch_id: UUID) -> Batch:
    """Return a batch. Raises NotFound."""
    row = connection.execute(text(f"SELECT {COLUMNS} FROM batches WHERE id = :id"), {"id": batch_id}).one_or_none()
    if row is None:
        raise NotFound(f"no batch {batch_id}: `atelier status` lists the batches")
    return Batch.from_row(row)


def get_batches(connection: Connection, ids: Collection[UUID]) -> list[Batch]:
    """Return those of some batches that still exist."""
    rows = connection.execute(text(f"SELECT {COLUMNS} FROM batches WHERE id = ANY(:ids)"), {"ids": list(ids)})
    return [Batch.from_row(row) for row in rows]


def is_cancelled(connection: Connection, batch_id: UUID) -> bool:
    """Return whether a batch was cancelled. Raises NotFound."""
    row = connection.execute(text("SELECT state = 'cancelled' FROM batches WHERE id = :id"), {"id": batch_id})
    cancelled = row.scalar_one_or_none()
    if cancelled is None:
        raise NotFound(f"no batch {batch_id}: it was removed")
    return bool(cancelled)


def find_batch(connection: Connection, merchant: int, wanted: str) -> Batch:
    """Return a merchant's batch by its id or the first characters of it. Raises NotFound, also if several match.

    An empty text matches nothing: a script with an empty variable must not cancel the only batch.
    """
    digits = wanted.strip().replace("-", "")
    rows: Sequence[Row[Any]] = ()
    if HEX.fullmatch(digits):
        # Ids with the same beginning are neighbours in the index, however many batches the merchant has.
        rows = connection.execute(
            text(f"""
            SELECT {COLUMNS} FROM batches WHERE merchant_id = :merchant AND id BETWEEN :least AND :greatest
            ORDER BY id DESC LIMIT 2
            """),
            {"merchant": merchant, "least": UUID(digits.ljust(32, "0")), "greatest": UUID(digits.ljust(32, "f"))},
        ).all()
    if len(rows) != 1:
        found = "several batches begin with" if rows else "no batch"
        raise NotFound(
            f"{found} {wanted!r} for this merchant: `atelier status` lists its batches, and --merchant names another"
        )
    return Batch.from_row(rows[0])


def list_batches(
    connection: Connection, merchant: int, limit: int, before: UUID | None = None, *, tries: bool = True
) -> list[Batch]:
    """Return a merchant's batches, newest first, optionally those older than ``before``. Ids grow with time.

    Without ``tries``, previews of one picture are left out: a page makes many while somebody tries looks.
    """
    which = "" if tries else "AND NOT (queue = 'preview' AND total <= 1)"
    rows = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM batches
        WHERE merchant_id = :merchant AND id < :before {which} ORDER BY id DESC LIMIT :limit
        """),
        {"merchant": merchant, "limit": limit, "before": before or UUID(int=2**128 - 1)},
    )
    return [Batch.from_row(row) for row in rows]


def find_unfinished(connection: Connection, merchant: int, fingerprint: str) -> Batch | None:
    """Return the newest running batch of the same input and look, so that a submission can continue."""
    row = connection.execute(
        text(f"""
        SELECT {COLUMNS} FROM batches
        WHERE merchant_id = :merchant AND fingerprint = :fingerprint AND state = 'running'
        ORDER BY id DESC LIMIT 1
        """),
        {"merchant": merchant, "fingerprint": fingerprint},
    ).one_or_none()
    return None if row is None else Batch.from_row(row)


def find_submitted(connection: Connection, merchant: int, idempotency_key: str, fingerprint: str) -> Batch | None:
    """Return the batch with an idempotency key, whatever its state.

    Raises Conflict if it has other input, or another look.
    """
    row = connection.execute(
        text(f"SELECT {COLUMNS}, fingerprint FROM batches WHERE merchant_id = :merchant AND idempotency_key = :key"),
        {"merchant": merchant, "key": idempotency_key},
    ).one_or_none()
    if row is not None and row.fingerprint != fingerprint:
        raise Conflict(
            f"batch {row.id} has this idempotency key, and other images or another look: use a new key",
            code="idempotency_key_reused",
        )
    return None if row is None else Batch.from_row(row)


def extend(connection: Connection, batch: Batch, *, rows: int, jobs: int, failed: int) -> Batch:
    """Count an accepted page. ``batch`` is the state that the submission last saw.

    ``rows`` counts the page's rows of the manifest, ``jobs`` all its jobs, and ``failed`` those that have
    failed already because their rows were invalid. Raises Conflict if the batch was cancelled, or if
    another submission of the same input has added rows meanwhile.
    """
    row = connection.execute(
        text(f"""
        UPDATE batches SET rows_read = rows_read + :rows, total = total + :jobs, failed = failed + :failed,
            received_at = clock_timestamp()
        WHERE id = :id AND state = 'running' AND intake = 'receiving' AND rows_read = :seen
        RETURNING {COLUMNS}
        """),
        {"id": batch.id, "rows": rows, "jobs": jobs, "failed": failed, "seen": batch.rows_read},
    ).one_or_none()
    if row is None:
        raise Conflict(
            f"batch {batch.id} takes no more rows from here: it was cancelled, or ended because no rows came for long, "
            "or the same input is being submitted elsewhere"
        )
    usage.count(connection, batch.merchant_id, Ended(failed=failed))
    return Batch.from_row(row)


def seal(connection: Connection, batch_id: UUID) -> Batch:
    """Record that no more rows come. A batch whose jobs are all done is finished by this."""
    connection.execute(
        text("UPDATE batches SET intake = 'sealed' WHERE id = :id AND intake = 'receiving'"), {"id": batch_id}
    )
    add_counts(connection, batch_id, Counts())
    return get_batch(connection, batch_id)


@dataclass(frozen=True)
class Counts:
    """Numbers of jobs that became terminal, by state; ``reused`` ones are among the succeeded.

    ``unpublished`` counts renditions that break a rule of their preset.
    """

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    reused: int = 0
    unpublished: int = 0


def add_counts(connection: Connection, batch_id: UUID, counts: Counts) -> None:
    """Add to a batch's counters, and finish it when no job is left. Locks the batch, so do this last."""
    connection.execute(
        text(f"""
        UPDATE batches SET succeeded = succeeded + :succeeded, failed = failed + :failed,
            cancelled = cancelled + :cancelled, reused = reused + :reused, unpublished = unpublished + :unpublished,
            state = CASE WHEN state = 'running' AND {COMPLETE} THEN 'finished' ELSE state END,
            finished_at = CASE WHEN finished_at IS NULL AND {COMPLETE} THEN clock_timestamp() ELSE finished_at END
        WHERE id = :id
        """),
        {"id": batch_id} | asdict(counts),
    )


def set_paused(connection: Connection, batch: Batch, *, paused: bool) -> Batch:
    """Pause or resume a running batch for its merchant; chunks in progress are finished. Raises Conflict.

    A batch that waits for approval of its sample, or that is a paused night, stays paused until that ends too; the
    batch that is returned says so.
    """
    proof = connection.execute(
        text("SELECT id, state FROM proofs WHERE batch_id = :id AND state IN ('undecided', 'waiting')"),
        {"id": batch.id},
    ).one_or_none()
    if proof is not None:
        until = {
            "waiting": f"you approve its sample: `atelier proofs show {proof.id}`",
            "undecided": "its upload has finished: repeat the upload, or cancel the batch",
        }[proof.state]
        raise Conflict(f"batch {batch.id} stays paused until {until}", code="awaits_proof")
    row = connection.execute(
        text(f"""
        UPDATE batches b SET merchant_paused = :paused, paused = :paused OR {NIGHT_PAUSED},
            resumed_at = CASE WHEN :paused THEN resumed_at ELSE clock_timestamp() END
        WHERE id = :id AND state = 'running' RETURNING paused
        """),
        {"id": batch.id, "paused": paused},
    ).one_or_none()
    if row is None:
        raise Conflict(f"batch {batch.id} is {batch.state}: only a running one can be paused or resumed")
    return replace(batch, paused=row.paused)


def wait_for_approval(connection: Connection, batch_id: UUID) -> None:
    """Pause a batch until a proof of it lets it go on."""
    connection.execute(text("UPDATE batches SET paused = true WHERE id = :id"), {"id": batch_id})


def let_go_on(connection: Connection, batch_id: UUID) -> None:
    """Let a batch go on that waits for no proof any more, unless its merchant or a pause of nights holds it."""
    connection.execute(
        text(f"UPDATE batches b SET paused = merchant_paused OR {NIGHT_PAUSED} WHERE id = :id AND state = 'running'"),
        {"id": batch_id},
    )


def mark_cancelled(connection: Connection, batch_id: UUID) -> None:
    """Set the flag that dispatch, claim and finish obey. A finished batch stays finished."""
    connection.execute(
        text("UPDATE batches SET state = 'cancelled', intake = 'sealed' WHERE id = :id AND state = 'running'"),
        {"id": batch_id},
    )


def reopen(connection: Connection, batch_id: UUID, requeued: int) -> None:
    """Take back ``requeued`` failures and let the batch run again."""
    connection.execute(
        text("""
        UPDATE batches SET failed = failed - :requeued, state = 'running', finished_at = NULL,
            resumed_at = clock_timestamp()
        WHERE id = :id
        """),
        {"id": batch_id, "requeued": requeued},
    )


def count_as_cancelled(connection: Connection, batch_id: UUID, discarded: int) -> None:
    """Count ``discarded`` failures as cancelled."""
    connection.execute(
        text("UPDATE batches SET failed = failed - :discarded, cancelled = cancelled + :discarded WHERE id = :id"),
        {"id": batch_id, "discarded": discarded},
    )
